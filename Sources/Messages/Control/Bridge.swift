// The bridge to RabbitMQ: what the router keeps for it, what it is told of the configuration, what it says of its state.

/// The bridge's session, which the router keeps whether a bridge is connected or not: what is to go to RabbitMQ waits in it.
package struct BridgeSession: Equatable, Sendable {
    /// Its name. No client may have one that begins with `$bridge/`.
    package static let clientIdentifier = Array("$bridge/rabbitmq".utf8)

    /// What goes to RabbitMQ. The session has these subscriptions and no others.
    package var items: [SubscribeFrame.Item]
    /// What may wait in it: messages, and bytes of them.
    package var messages: UInt32
    package var bytes: UInt64
    /// What happens to a message beyond that; never `disconnect`.
    package var policy: RouterSettings.QueuePolicy
    /// Whether the bridge is told what clients subscribe to, and other brokers are one with this one.
    package var isCluster: Bool

    package init(
        items: [SubscribeFrame.Item], messages: UInt32, bytes: UInt64, policy: RouterSettings.QueuePolicy,
        isCluster: Bool = false
    ) {
        self.items = items
        self.messages = messages
        self.bytes = bytes
        self.policy = policy
        self.isCluster = isCluster
    }

    package func write(to writer: inout FrameWriter) {
        SubscribeFrame.Item.write(items, to: &writer)
        writer.integer(messages)
        writer.integer(bytes)
        writer.integer(policy.rawValue)
        writer.boolean(isCluster)
    }

    package init(from reader: inout FrameReader) throws(FrameError) {
        items = try SubscribeFrame.Item.read(from: &reader)
        messages = try reader.integer()
        bytes = try reader.integer()
        guard let policy = RouterSettings.QueuePolicy(rawValue: try reader.integer()) else {
            throw FrameError("unknown queue policy")
        }
        self.policy = policy
        isCluster = try reader.boolean()
    }
}

/// Everything that the bridge needs to know of the configuration.
package struct BridgeSettings: Frame, Equatable {
    package static let type = FrameType.bridgeSettings

    /// Whether other brokers share the exchange and are one with this one.
    package var isCluster = false
    /// Which broker this is, among those that share an exchange.
    package var node = ""
    /// `amqp://` or `amqps://`, tried in turn.
    package var uris: [String] = []
    /// Files in PEM; empty: the system's certificates, and no certificate of our own.
    package var authorities = ""
    package var certificate = ""
    package var key = ""
    /// Whether the server's certificate must name the host that was asked for.
    package var verifiesHost = true
    /// Seconds; 0: none.
    package var heartbeat: UInt16 = 10
    /// Milliseconds until a server that does not answer is given up, and the longest between two tries.
    package var connectTimeout: UInt32 = 5000
    package var retryLimit: UInt32 = 30_000
    /// Messages of RabbitMQ's that are not acknowledged, and messages to it that it has not confirmed.
    package var prefetch: UInt16 = 1000
    package var inFlight: UInt16 = 1000
    package var exchange = "amq.topic"
    package var exchangeType = "topic"
    /// Whether the exchange is declared, or has to be there.
    package var declaresExchange = true
    package var queue = ""
    package var isQuorum = false
    /// Milliseconds that a message may wait in the queue, and messages in it; 0: no limit.
    package var queueTTL: UInt64 = 0
    package var queueLength: UInt64 = 0
    /// Filters that the queue of a cluster's node is bound by one by one.
    package var bindings: UInt32 = 10_000
    /// Topic filters: what comes from RabbitMQ; in a cluster the router tells them.
    package var inbound: [String] = []
    /// Whether anything goes to RabbitMQ.
    package var isOutbound = true
    /// The routing key with `{topic}` for the mapped topic.
    package var template = "{topic}"
    /// Whether a message for which RabbitMQ has no queue is reported.
    package var isMandatory = true
    /// Bytes of a message with its envelope, and of a topic.
    package var packetSize: UInt32 = 8 << 20
    package var topicLength: UInt32 = 65_535
    package var topicLevels: UInt32 = 128
    /// swift-log's level, 0 trace ... 6 critical.
    package var logLevel: UInt8 = 2

    package init() {}

    package func write(to writer: inout FrameWriter) {
        writer.boolean(isCluster)
        writer.string(node)
        writer.strings(uris)
        writer.string(authorities)
        writer.string(certificate)
        writer.string(key)
        writer.boolean(verifiesHost)
        writer.integer(heartbeat)
        writer.integer(connectTimeout)
        writer.integer(retryLimit)
        writer.integer(prefetch)
        writer.integer(inFlight)
        writer.string(exchange)
        writer.string(exchangeType)
        writer.boolean(declaresExchange)
        writer.string(queue)
        writer.boolean(isQuorum)
        writer.integer(queueTTL)
        writer.integer(queueLength)
        writer.integer(bindings)
        writer.strings(inbound)
        writer.boolean(isOutbound)
        writer.string(template)
        writer.boolean(isMandatory)
        writer.integer(packetSize)
        writer.integer(topicLength)
        writer.integer(topicLevels)
        writer.integer(logLevel)
    }

    package init(from reader: inout FrameReader) throws(FrameError) {
        isCluster = try reader.boolean()
        node = try reader.string()
        uris = try reader.strings()
        authorities = try reader.string()
        certificate = try reader.string()
        key = try reader.string()
        verifiesHost = try reader.boolean()
        heartbeat = try reader.integer()
        connectTimeout = try reader.integer()
        retryLimit = try reader.integer()
        prefetch = try reader.integer()
        inFlight = try reader.integer()
        exchange = try reader.string()
        exchangeType = try reader.string()
        declaresExchange = try reader.boolean()
        queue = try reader.string()
        isQuorum = try reader.boolean()
        queueTTL = try reader.integer()
        queueLength = try reader.integer()
        bindings = try reader.integer()
        inbound = try reader.strings()
        isOutbound = try reader.boolean()
        template = try reader.string()
        isMandatory = try reader.boolean()
        packetSize = try reader.integer()
        topicLength = try reader.integer()
        topicLevels = try reader.integer()
        logLevel = try reader.integer()
    }
}

/// The bridge is connected, or is not any more; bridge → supervisor.
package struct BridgeState: Frame, Equatable {
    package static let type = FrameType.bridgeState
    /// Why it is not, in words; empty: it is.
    package var problem: String

    package init(problem: String) { self.problem = problem }
    package func write(to writer: inout FrameWriter) { writer.string(problem) }
    package init(from reader: inout FrameReader) throws(FrameError) { problem = try reader.string() }
}

/// How much waits for RabbitMQ, so that the bridge can say it; supervisor → bridge, where that has changed.
package struct BridgeWaiting: Frame, Equatable {
    package static let type = FrameType.bridgeWaiting
    /// Messages that the router keeps.
    package var messages: UInt64

    package init(messages: UInt64) { self.messages = messages }
    package func write(to writer: inout FrameWriter) { writer.integer(messages) }
    package init(from reader: inout FrameReader) throws(FrameError) { messages = try reader.integer() }
}
