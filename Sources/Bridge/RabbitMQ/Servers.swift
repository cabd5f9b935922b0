// The servers that there are to connect to: each in its turn, and after all of them a pause.

internal import Messages

struct Servers {
    private let settings: BridgeSettings
    private var next = 0
    private var retry: Retry
    /// Milliseconds at which the connection that there is, or was, came to stand.
    private var standsSince: UInt64?

    /// Milliseconds after which a connection has proved itself, though nothing has passed.
    private static let proof: UInt64 = 5000

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

    /// A connection stands. Only one that is of use, or lasts, makes the next pause a short one.
    mutating func connected(now: UInt64) { standsSince = now }

    /// Something has passed.
    mutating func succeeded() { retry.succeeded() }

    /// It is the next one's turn.
    /// - Returns: milliseconds to wait before.
    mutating func failed(now: UInt64) -> Int32 {
        if let standsSince, now >= standsSince + Self.proof { retry.succeeded() }
        standsSince = nil
        next += 1
        return next % max(settings.uris.count, 1) == 0 ? retry.failed() : 0
    }
}
