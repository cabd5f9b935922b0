// What can go wrong on the client's side of a control connection.

/// Why a ``ControlClient`` has no answer.
package enum ControlFailure: Error, Equatable, Sendable {
    /// Nobody listens on this socket, or there is none. `reason` is the system's.
    case unreachable(path: String, reason: String)
    /// The socket is there but this user may not use it.
    case notPermitted(path: String)
    /// The path is longer than the address of a Unix socket can be.
    case pathTooLong(path: String)
    /// The broker did not answer in time.
    case timedOut(seconds: Double)
    /// The broker closed the connection before the answer's end.
    case disconnected
    /// The broker sent something that is not of this protocol.
    case notUnderstood(String)
    /// The broker said no.
    case refused(Refusal)
}
