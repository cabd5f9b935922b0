// The answer to `status`, and what `apusctl status --json` prints: its keys are an interface for scripts.

/// The broker as its supervisor sees it.
package struct StatusReport: Codable, Equatable, Sendable {
    /// The broker's version.
    package var version: String
    /// The supervisor's process.
    package var pid: Int
    /// Seconds since the supervisor started.
    package var uptime: Double
    /// `starting`, `ready`, `stopping`.
    package var state: String
    /// What is not as it should be, in words; nil where nothing is.
    package var degraded: String?
    /// The layout of what passes between processes and outlives them, and the newest that the broker's program knows:
    /// `apusctl upgrade --commit` goes over to that.
    package var layout: Int
    package var newestLayout: Int
    /// Connected clients, over all listeners.
    package var connections: Int
    package var workers: [WorkerReport]
    package var listeners: [ListenerReport]
    /// Totals since the start, by the name of the metric.
    package var counters: [String: UInt64]

    private enum CodingKeys: String, CodingKey {
        case version, pid, state, degraded, layout, connections, workers, listeners, counters
        case newestLayout = "newest_layout"
        case uptime = "uptime_s"
    }

    package init(
        version: String, pid: Int, uptime: Double, state: String, degraded: String? = nil, layout: Int,
        newestLayout: Int, connections: Int, workers: [WorkerReport], listeners: [ListenerReport],
        counters: [String: UInt64]
    ) {
        self.version = version
        self.pid = pid
        self.uptime = uptime
        self.state = state
        self.degraded = degraded
        self.layout = layout
        self.newestLayout = newestLayout
        self.connections = connections
        self.workers = workers
        self.listeners = listeners
        self.counters = counters
    }
}

/// One worker process.
package struct WorkerReport: Codable, Equatable, Sendable {
    /// Its role, as in the role table: `listener`, `router`, …
    package var role: String
    /// Which of that role: the listener's name, or the role's where there is one only.
    package var name: String
    /// Its process, 0 while it has none (it waits to be started again).
    package var pid: Int
    /// How many times it has been started, this one counted: 1 for the first.
    package var generation: Int
    /// `starting`, `ready`, `stopping`, `waiting` (backing off) or `failed` (not to be started again).
    package var state: String
    /// The version of its program; nil while it has none, or has not said it.
    package var version: String?
    /// Whether that is another program than the one on disk.
    package var isOutdated: Bool
    /// Seconds since this process started.
    package var uptime: Double
    /// How often it died and was started again.
    package var restarts: Int
    /// Its clients; 0 for roles that have none.
    package var connections: Int

    private enum CodingKeys: String, CodingKey {
        case role, name, pid, generation, state, version, restarts, connections
        case isOutdated = "outdated"
        case uptime = "uptime_s"
    }

    package init(
        role: String, name: String, pid: Int, generation: Int, state: String, version: String?, isOutdated: Bool,
        uptime: Double, restarts: Int, connections: Int
    ) {
        self.role = role
        self.name = name
        self.pid = pid
        self.generation = generation
        self.state = state
        self.version = version
        self.isOutdated = isOutdated
        self.uptime = uptime
        self.restarts = restarts
        self.connections = connections
    }
}

/// One configured port.
package struct ListenerReport: Codable, Equatable, Sendable {
    /// Its name in the configuration, in logs and in metrics.
    package var name: String
    /// `mqtt` or `websocket`.
    package var `protocol`: String
    /// What the configuration says: `127.0.0.1:0`, `systemd:NAME`.
    package var bind: String
    /// The address that it is bound to, without brackets.
    package var address: String
    /// The port that it is bound to.
    package var port: Int
    package var connections: Int
    /// The worker processes that share it.
    package var workers: Int

    package init(
        name: String, protocol: String, bind: String, address: String, port: Int, connections: Int, workers: Int
    ) {
        self.name = name
        self.protocol = `protocol`
        self.bind = bind
        self.address = address
        self.port = port
        self.connections = connections
        self.workers = workers
    }
}
