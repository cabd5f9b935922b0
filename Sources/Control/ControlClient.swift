// The blocking client of the control socket, for apusctl. Each request has the whole time-out for itself.

import Glibc

/// A connection to a running broker's control socket.
package struct ControlClient: ~Copyable {
    private let socket: UnixSocket
    private var decoder = ResponseDecoder()
    private let timeout: Duration

    /// Connects.
    ///
    /// - Parameters:
    ///   - path: the socket's file.
    ///   - timeout: for how long the broker may stay silent within an answer.
    package init(path: String, timeout: Duration = .seconds(10)) throws(ControlFailure) {
        self.timeout = timeout
        socket = try UnixSocket(path: path)
    }

    /// Sends a request and hands each row of its answer to `row`. Returns where a page goes on, nil at the last.
    @discardableResult
    package mutating func ask(
        _ request: Request, row: (Response) throws(ControlFailure) -> Void
    ) throws(ControlFailure) -> UInt64? {
        try socket.write(encode(request), within: timeout)
        while true {
            guard let response = try decoder.next() else {
                let bytes = try socket.read(within: timeout)
                decoder.receive(bytes.span)
                continue
            }
            switch response {
            case .end(let next): return next
            case .error(let refusal): throw .refused(refusal)
            case .status, .client, .reload: try row(response)
            }
        }
    }

    /// The broker's status.
    package mutating func status() throws(ControlFailure) -> StatusReport {
        var report: StatusReport?
        try ask(.status) { row in
            if case .status(let status) = row { report = status }
        }
        guard let report else { throw .notUnderstood("the answer to status has no status") }
        return report
    }

    /// Hands every connected client to `body`, in pages, at most `limit` of them.
    package mutating func clients(
        limit: Int = .max, _ body: (ClientReport) throws(ControlFailure) -> Void
    ) throws(ControlFailure) {
        var left = limit
        var cursor: UInt64?
        while left > 0 {
            cursor = try ask(.clients(limit: min(left, maximumClientsPerAnswer), cursor: cursor)) {
                row throws(ControlFailure) in
                guard case .client(let client) = row else { return }
                left -= 1
                try body(client)
            }
            if cursor == nil { return }
        }
    }

    /// Disconnects a client.
    package mutating func kick(_ clientID: String) throws(ControlFailure) {
        try ask(.kick(clientID: clientID)) { _ in }
    }

    /// Replaces a worker; returns when the new process serves.
    package mutating func restart(_ worker: String) throws(ControlFailure) {
        try ask(.restart(worker: worker)) { _ in }
    }

    /// Goes over to newer programs, or to their layout; returns when each worker is replaced.
    package mutating func upgrade(commit: Bool) throws(ControlFailure) {
        try ask(.upgrade(commit: commit)) { _ in }
    }

    /// Makes the broker read its configuration again; returns when it has.
    package mutating func reload() throws(ControlFailure) -> ReloadReport {
        var report: ReloadReport?
        try ask(.reload) { row in
            if case .reload(let reload) = row { report = reload }
        }
        guard let report else { throw .notUnderstood("the answer to reload does not say what was done") }
        return report
    }
}
