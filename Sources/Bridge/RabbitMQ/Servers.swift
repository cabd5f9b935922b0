// The servers that there are to connect to: each in its turn, and after all of them a pause.

internal import Messages

struct Servers {
    private let settings: BridgeSettings
    private var next = 0
    private var retry: Retry

    init(_ settings: BridgeSettings) {
        self.settings = settings
        retry = Retry(limit: settings.retryLimit)
    }

    /// Connects to the server whose turn it is.
    /// - Parameter verb: what the connection is for, as RabbitMQ's operator sees it.
    func connect(_ verb: String) throws(ConnectionError) -> Connection {
        guard !settings.uris.isEmpty else { throw ConnectionError("bridge.rabbitmq.uri names no server") }
        return try Connection(
            settings, uri: settings.uris[next % settings.uris.count], purpose: "Apus \(settings.node) \(verb)")
    }

    mutating func succeeded() { retry.succeeded() }

    /// It is the next one's turn.
    /// - Returns: milliseconds to wait before.
    mutating func failed() -> Int32 {
        next += 1
        return next % max(settings.uris.count, 1) == 0 ? retry.failed() : 0
    }
}
