// Why the server did not do what it was asked: a code for programs and a text for people.

/// A typed error of the protocol, sent as `{"error":{"code":"…","text":"…"}}`.
package struct Refusal: Error, Codable, Equatable, Sendable {
    /// What kind of refusal, for programs.
    package var code: Code
    /// What happened, to what, and what to do, in one sentence. Client-controlled text in it is not escaped for
    /// terminals: whoever shows it does that.
    package var text: String

    package init(_ code: Code, _ text: String) {
        self.code = code
        self.text = text
    }
}

extension Refusal {
    /// The code of a refusal. Not an enumeration: a client must be able to show a code of a newer server.
    package struct Code: RawRepresentable, Codable, Hashable, Sendable {
        package var rawValue: String

        package init(rawValue: String) {
            self.rawValue = rawValue
        }

        /// The line is not a JSON object, or a field is missing or has the wrong type.
        package static let badRequest = Code(rawValue: "bad-request")
        /// The line is longer than ``maximumRequestSize``; the server closes the connection.
        package static let requestTooLarge = Code(rawValue: "request-too-large")
        /// The request names a version of the protocol that the server does not speak.
        package static let unsupportedVersion = Code(rawValue: "unsupported-version")
        /// The request's name is not known to the server.
        package static let unknownRequest = Code(rawValue: "unknown-request")
        /// The peer is neither root nor the broker's user nor in its group; the server closes the connection.
        package static let notPermitted = Code(rawValue: "not-permitted")
        /// No client with this id is connected.
        package static let noSuchClient = Code(rawValue: "no-such-client")
        /// No worker has this name.
        package static let noSuchWorker = Code(rawValue: "no-such-worker")
        /// The worker was not replaced; the former one serves on.
        package static let restartFailed = Code(rawValue: "restart-failed")
        /// Newer programs, or the layout that they brought, are not in use: the text says why.
        package static let upgradeFailed = Code(rawValue: "upgrade-failed")
        /// The new configuration was refused; the old one goes on being used.
        package static let reloadFailed = Code(rawValue: "reload-failed")
        /// The broker can not do it now: it is starting or stopping, or a worker is away. Asking again may help.
        package static let unavailable = Code(rawValue: "unavailable")
        /// A defect of the server.
        package static let internalError = Code(rawValue: "internal-error")
    }
}
