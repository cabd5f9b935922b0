// Why a WebSocket connection is closed. Thrown by the frame reader and the message machine; the listener answers
// with a close frame that carries `closeCode`, logs `what`, and closes. Nothing here is fatal to the worker.

/// Close codes that this server sends (RFC 6455 §7.4.1; 1012 and 1013 are in the IANA registry that it founds).
package enum CloseCode: UInt16, Sendable {
    case normal = 1000
    case goingAway = 1001
    case protocolError = 1002
    case unsupportedData = 1003
    case invalidPayload = 1007
    case policyViolation = 1008
    case messageTooBig = 1009
    case internalError = 1011
    case serviceRestart = 1012
    case tryAgainLater = 1013
}

/// A breach of RFC 6455 by the peer, or a limit that it passed.
package struct WebSocketError: Error, Equatable, Sendable {
    /// What the close frame says.
    package let closeCode: CloseCode
    /// What happened, for the log and for the close frame's reason.
    package let what: StaticString
    /// The section of RFC 6455 that was broken.
    package let clause: StaticString

    package init(_ closeCode: CloseCode, _ what: StaticString, _ clause: StaticString) {
        self.closeCode = closeCode
        self.what = what
        self.clause = clause
    }

    package static func == (one: WebSocketError, other: WebSocketError) -> Bool {
        one.closeCode == other.closeCode && one.what.description == other.what.description
            && one.clause.description == other.clause.description
    }
}
