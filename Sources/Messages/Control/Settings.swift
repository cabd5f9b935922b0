// What the configuration says to each role. Sent before the first channel, and again whenever a reload changes it.

/// Everything that a listener needs to know of the configuration. Sizes in bytes, times in milliseconds.
package struct ListenerSettings: Frame, Equatable {
    package static let type = FrameType.listenerSettings

    package enum Transport: UInt8, Sendable {
        case mqtt = 1
        case webSocket = 2
    }
    package enum Anonymous: UInt8, Sendable {
        case refused = 0
        case loopback = 1
        case allowed = 2
    }

    package var transport: Transport = .mqtt
    package var anonymous: Anonymous = .loopback
    /// The listening address is a loopback one: the Host rule applies.
    package var boundToLoopback = true
    package var logConnections = true
    /// swift-log's level, 0 trace ... 6 critical.
    package var logLevel: UInt8 = 2
    package var packetSize: UInt32 = 8 << 20
    package var topicLevels: UInt32 = 128
    package var topicLength: UInt32 = 65_535
    package var clientIdentifierLength: UInt32 = 65_535
    package var topicAliases: UInt16 = 64
    /// That this broker uses towards a client.
    package var givenTopicAliases: UInt8 = 16
    package var inFlight: UInt16 = 1024
    /// Seconds; the most that a client may ask for, 0 for no limit.
    package var keepAliveMaximum: UInt16 = 0
    /// What a connection may have waiting to be sent before the router is told to hold back.
    package var outputBuffer: UInt32 = 1 << 20
    package var httpRequest: UInt32 = 8192
    /// From accepting to CONNECT.
    package var connectTimeout: UInt32 = 10_000
    package var heartbeatTimeout: UInt32 = 30_000
    package var webSocketPingInterval: UInt32 = 20_000
    /// Where clients are sent when they can not stay here; empty: nowhere.
    package var serverReference = ""
    package var origins: [String] = ["same"]
    package var hosts: [String] = []
    /// Whether there is a process that checks who may connect.
    package var authenticates = false
    /// Connections whose credentials are being checked at one time.
    package var authentications: UInt32 = 256

    package init() {}

    package func write(to writer: inout FrameWriter) {
        writer.integer(transport.rawValue)
        writer.integer(anonymous.rawValue)
        writer.boolean(boundToLoopback)
        writer.boolean(logConnections)
        writer.integer(logLevel)
        writer.integer(packetSize)
        writer.integer(topicLevels)
        writer.integer(topicLength)
        writer.integer(clientIdentifierLength)
        writer.integer(topicAliases)
        writer.integer(givenTopicAliases)
        writer.integer(inFlight)
        writer.integer(keepAliveMaximum)
        writer.integer(outputBuffer)
        writer.integer(httpRequest)
        writer.integer(connectTimeout)
        writer.integer(heartbeatTimeout)
        writer.integer(webSocketPingInterval)
        writer.string(serverReference)
        writer.strings(origins)
        writer.strings(hosts)
        writer.boolean(authenticates)
        writer.integer(authentications)
    }

    package init(from reader: inout FrameReader) throws(FrameError) {
        guard let transport = Transport(rawValue: try reader.integer()),
            let anonymous = Anonymous(rawValue: try reader.integer())
        else { throw FrameError("unknown transport or rule for anonymous clients") }
        self.transport = transport
        self.anonymous = anonymous
        boundToLoopback = try reader.boolean()
        logConnections = try reader.boolean()
        logLevel = try reader.integer()
        packetSize = try reader.integer()
        topicLevels = try reader.integer()
        topicLength = try reader.integer()
        clientIdentifierLength = try reader.integer()
        topicAliases = try reader.integer()
        givenTopicAliases = try reader.integer()
        inFlight = try reader.integer()
        keepAliveMaximum = try reader.integer()
        outputBuffer = try reader.integer()
        httpRequest = try reader.integer()
        connectTimeout = try reader.integer()
        heartbeatTimeout = try reader.integer()
        webSocketPingInterval = try reader.integer()
        serverReference = try reader.string()
        origins = try reader.strings()
        hosts = try reader.strings()
        authenticates = try reader.boolean()
        authentications = try reader.integer()
    }
}

/// Everything that the router needs to know of the configuration. Sizes in bytes.
package struct RouterSettings: Frame, Equatable {
    package static let type = FrameType.routerSettings

    /// What happens to a message for a session whose queue is full.
    package enum QueuePolicy: UInt8, Sendable {
        case dropOldest = 1
        case dropNewest = 2
        case disconnect = 3
    }

    /// When acknowledgements for durable sessions and retained messages go out.
    package enum Durability: UInt8, Sendable {
        /// After the transaction is on disk.
        case commit = 1
        /// At once; transactions are written about once a second.
        case periodic = 2
        /// At once; the disk may have them when it likes.
        case none = 3
    }

    package var sessions: UInt32 = 1_000_000
    /// Seconds that a session may outlive its connection.
    package var sessionExpiry: UInt32 = .max
    /// A client.
    package var subscriptions: UInt32 = 10_000
    /// Of a topic filter.
    package var topicLevels: UInt32 = 128
    package var inFlight: UInt16 = 1024
    package var queueMessages: UInt32 = 10_000
    package var queueBytes: UInt64 = 16 << 20
    package var queuePolicy: QueuePolicy = .dropOldest
    package var retainedMessages: UInt32 = 1_000_000
    package var retainedBytes: UInt64 = 1 << 30
    /// The longest packet of any listener, which bounds a frame.
    package var packetSize: UInt32 = 8 << 20
    /// swift-log's level, 0 trace ... 6 critical.
    package var logLevel: UInt8 = 2
    package var durability: Durability = .commit
    /// The folder of the store.
    package var stateDirectory = ""
    /// Bytes that the store may take; 0: no limit but the disk's.
    package var storeBytes: UInt64 = 0
    /// Bytes of free disk below which nothing new is stored.
    package var minimumFree: UInt64 = 0
    /// Milliseconds between the values under `$SYS`; 0: there are none.
    package var systemInterval: UInt32 = 0
    /// The broker's.
    package var version = ""
    /// nil: there is no bridge, and no session of one.
    package var bridge: BridgeSession?

    package init() {}

    package func write(to writer: inout FrameWriter) {
        writer.integer(sessions)
        writer.integer(sessionExpiry)
        writer.integer(subscriptions)
        writer.integer(topicLevels)
        writer.integer(inFlight)
        writer.integer(queueMessages)
        writer.integer(queueBytes)
        writer.integer(queuePolicy.rawValue)
        writer.integer(retainedMessages)
        writer.integer(retainedBytes)
        writer.integer(packetSize)
        writer.integer(logLevel)
        writer.integer(durability.rawValue)
        writer.string(stateDirectory)
        writer.integer(storeBytes)
        writer.integer(minimumFree)
        writer.integer(systemInterval)
        writer.string(version)
        writer.boolean(bridge != nil)
        bridge?.write(to: &writer)
    }

    package init(from reader: inout FrameReader) throws(FrameError) {
        sessions = try reader.integer()
        sessionExpiry = try reader.integer()
        subscriptions = try reader.integer()
        topicLevels = try reader.integer()
        inFlight = try reader.integer()
        queueMessages = try reader.integer()
        queueBytes = try reader.integer()
        guard let policy = QueuePolicy(rawValue: try reader.integer()) else { throw FrameError("unknown queue policy") }
        queuePolicy = policy
        retainedMessages = try reader.integer()
        retainedBytes = try reader.integer()
        packetSize = try reader.integer()
        logLevel = try reader.integer()
        guard let durability = Durability(rawValue: try reader.integer()) else {
            throw FrameError("unknown durability")
        }
        self.durability = durability
        stateDirectory = try reader.string()
        storeBytes = try reader.integer()
        minimumFree = try reader.integer()
        systemInterval = try reader.integer()
        version = try reader.string()
        bridge = try reader.boolean() ? BridgeSession(from: &reader) : nil
    }
}
