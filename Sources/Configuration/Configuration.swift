// What the operator has decided: every setting of the broker as a plain value, with the defaults that work without
// a file. The supervisor and apusctl read it; workers get what concerns them from the supervisor. Nothing here does
// I/O: Load.swift reads the file, Keys.swift is the table that names, checks and documents each setting.

/// Every setting of the broker. Two values that are equal configure the same broker.
package struct Configuration: Sendable, Equatable {
    /// Where the broker keeps what must outlive it. An absolute path, or one given by the environment.
    package var stateDirectory: String
    /// Where the control socket and other files live that last as long as the broker runs.
    package var runtimeDirectory: String
    /// The folder that holds `apus-listener`, `apus-router` and the other workers.
    package var libexecDirectory: String
    /// Where MQTT 5 clients are sent when the broker stops or is full; empty: nowhere.
    package var serverReference = ""
    /// One for each port. Names are unique, and so are addresses (except those with port 0).
    package var listeners: [Listener]
    /// Between the values under `$SYS`; 0: there are none.
    package var systemInterval = Duration.seconds(10)
    package var limits = Limits()
    package var store = Store()
    package var supervisor = Supervisor()
    package var auth = Auth()
    package var log = Log()
    /// `[bridge.rabbitmq]`; nil: there is no bridge.
    package var bridge: Bridge?

    /// The two listeners of a broker that nobody has configured: loopback only.
    package static let defaultListeners = [
        Listener(name: "mqtt", transport: .mqtt, bind: .ipv4(host: "127.0.0.1", port: 1883)),
        Listener(name: "web", transport: .websocket, bind: .ipv4(host: "127.0.0.1", port: 2884)),
    ]

    package init(
        stateDirectory: String, runtimeDirectory: String, libexecDirectory: String,
        listeners: [Listener] = Configuration.defaultListeners
    ) {
        self.stateDirectory = stateDirectory
        self.runtimeDirectory = runtimeDirectory
        self.libexecDirectory = libexecDirectory
        self.listeners = listeners
    }
}

extension Configuration {
    /// One `[[listener]]`: a port, what is spoken on it, and how many processes share it.
    package struct Listener: Sendable, Equatable {
        /// 1 to 32 of `a-z`, `0-9` and `-`: the name in logs, metrics, `ps` and apusctl.
        package var name: String
        /// The key `protocol`.
        package var transport: Transport
        package var bind: Address
        /// Processes that share the port, 1...64.
        package var workers = 1
        /// What a WebSocket's `Origin` may be: `same` (as Host), `*`, or `scheme://host[:port]`.
        package var origins = ["same"]
        /// Further names under which browsers reach this listener when it is bound to loopback.
        package var hosts: [String] = []
        /// Connections that the kernel holds until they are accepted.
        package var backlog = 4096
        /// Whether a second process waits, with all of its connections, for the first one's end.
        package var standby = true

        package init(name: String, transport: Transport, bind: Address) {
            self.name = name
            self.transport = transport
            self.bind = bind
        }
    }

    /// What a listener speaks on its port.
    package enum Transport: String, Sendable, CaseIterable {
        case mqtt
        case websocket
    }

    /// `[limits]`: nothing in the broker grows beyond one of these. Sizes are in bytes.
    package struct Limits: Sendable, Equatable {
        package var connections = 100_000
        package var packetSize = 8 << 20
        package var clientIDLength = 65_535
        package var topicLength = 65_535
        package var topicLevels = 128
        package var subscriptions = 10_000
        package var inFlight = 1024
        package var queueMessages = 10_000
        package var queueBytes = 16 << 20
        package var queuePolicy = QueuePolicy.dropOldest
        package var outputBuffer = 1 << 20
        package var memory = 1 << 30
        package var retainedMessages = 1_000_000
        package var retainedBytes = 1 << 30
        package var sessions = 1_000_000
        package var sessionExpiry = Duration.seconds(30 * 24 * 3600)
        package var topicAliases = 64
        package var givenTopicAliases = 16
        package var keepAliveMax = Duration.seconds(65_535)
        package var connectTimeout = Duration.seconds(10)
        package var authentications = 256
        package var httpRequest = 8 << 10
        package var heartbeatTimeout = Duration.seconds(30)
        package var websocketPingInterval = Duration.seconds(20)
    }

    /// What happens to a message for a session whose queue is full.
    package enum QueuePolicy: String, Sendable, CaseIterable {
        case dropOldest = "drop_oldest"
        case dropNewest = "drop_newest"
        case disconnect
    }

    /// `[store]`: what outlives the broker, and how safely.
    package struct Store: Sendable, Equatable {
        package var durability = Durability.commit
        /// Bytes; 0: no limit but the disk's.
        package var maxBytes = 0
        /// Bytes of the disk that stay free.
        package var minFree = 64 << 20
    }

    /// When a message that must not be lost is acknowledged.
    package enum Durability: String, Sendable, CaseIterable {
        case commit, periodic, none
    }

    /// `[supervisor]`: when a worker counts as hung, and how long starting and stopping may take.
    package struct Supervisor: Sendable, Equatable {
        package var heartbeatInterval = Duration.seconds(1)
        package var heartbeatTimeout = Duration.seconds(10)
        package var startTimeout = Duration.seconds(30)
        package var stopTimeout = Duration.seconds(10)
        package var routerStandby = true
    }

    /// `[auth]`.
    package struct Auth: Sendable, Equatable {
        package var anonymous = Anonymous.loopback
        /// Users and their passwords; empty: there are none.
        package var passwordFile = ""
        /// Threads that compare passwords with hashes.
        package var hashThreads = 2

        /// Whether there is anything by which a client could show who it is.
        package var authenticates: Bool { !passwordFile.isEmpty }
    }

    /// Who may connect without saying who it is.
    package enum Anonymous: String, Sendable, CaseIterable {
        /// Clients of this machine only.
        case loopback
        /// `true`
        case everyone
        /// `false`
        case nobody
    }

    /// `[log]`.
    package struct Log: Sendable, Equatable {
        package var level = LogLevel.info
        /// Whether each connection has a line when it opens and one when it closes.
        package var connections = true
    }

    /// The least important lines that are still written. Raw values are the names of swift-log's levels.
    package enum LogLevel: String, Sendable, CaseIterable {
        case trace, debug, info, notice, warning, error
    }
}

extension Duration {
    /// Whole milliseconds, rounded down; for what is sent to workers and given to timers.
    package var milliseconds: Int {
        Int(components.seconds) * 1000 + Int(components.attoseconds / 1_000_000_000_000_000)
    }
}
