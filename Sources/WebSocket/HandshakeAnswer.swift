// What a request that is not upgraded gets, before the connection is closed. Thrown by the head parser and the handshake's rules, written by
// `Handshake.Outcome.response()`.

/// The statuses that this port answers with (RFC 9110 §15).
package enum HTTPStatus: UInt16, Sendable {
    case ok = 200
    case badRequest = 400
    case forbidden = 403
    case notFound = 404
    case methodNotAllowed = 405
    case upgradeRequired = 426
    case headersTooLarge = 431
    case versionNotSupported = 505

    /// The reason phrase of the status line.
    package var phrase: StaticString {
        switch self {
        case .ok: "OK"
        case .badRequest: "Bad Request"
        case .forbidden: "Forbidden"
        case .notFound: "Not Found"
        case .methodNotAllowed: "Method Not Allowed"
        case .upgradeRequired: "Upgrade Required"
        case .headersTooLarge: "Request Header Fields Too Large"
        case .versionNotSupported: "HTTP Version Not Supported"
        }
    }
}

/// An answer that ends the connection, and why.
package struct HandshakeAnswer: Error, Equatable, Sendable {
    package let status: HTTPStatus
    /// For the log and for whoever sent the request: what is wrong and what would be right. With `ok` the log's
    /// only; the body is the start page.
    package let text: StaticString

    package init(_ status: HTTPStatus, _ text: StaticString) {
        self.status = status
        self.text = text
    }

    package static func == (one: HandshakeAnswer, other: HandshakeAnswer) -> Bool {
        one.status == other.status && one.text.description == other.text.description
    }
}
