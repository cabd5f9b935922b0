// What the broker says of itself under `$SYS/broker/`, with the names that other brokers made usual. The values are
// retained messages that no store keeps; clients may read them and nothing else.

import EventLoop
import MQTT
import Messages

extension Router {
    /// Publishes what has changed, when it is time.
    mutating func publishSystemTopics() {
        guard settings.systemInterval > 0, milliseconds >= systemTopicsAt else { return }
        systemTopicsAt = milliseconds + UInt64(settings.systemInterval)
        updateLoad()
        memory = ownMemory()
        mostMemory = max(mostMemory, memory)
        for (name, value) in systemTopics() {
            let payload = Array(value.utf8)
            guard systemValues[name] != payload else { continue }
            systemValues[name] = payload
            publishSystemTopic(Array("$SYS/broker/\(name)".utf8), payload)
        }
    }

    private mutating func publishSystemTopic(_ topic: [UInt8], _ payload: [UInt8]) {
        // Beyond the limit of retained messages it goes to those who listen now.
        try? retained.set(topic.span, payload: payload.span, properties: Span(), qos: 0)
        let bytes = topic + payload
        publish(
            Outgoing(bytes.span.raw, topicLength: topic.count, propertiesLength: 0, qos: 0, retain: false))
    }

    private func listeners(_ counter: ListenerCounter) -> UInt64 {
        counter.rawValue < listenerTotals.count ? listenerTotals[counter.rawValue] : 0
    }

    private func router(_ counter: RouterCounter) -> UInt64 { counters[counter.rawValue] }

    private var packetsSent: UInt64 { listeners(.messagesSent) + listeners(.answersSent) }
    private var messagesDropped: UInt64 { router(.messagesDropped) + listeners(.messagesDropped) }

    /// What averages are made of, in the order of `updateLoad()`.
    private static var loads: [String] {
        [
            "messages/received", "messages/sent", "publish/received", "publish/sent", "publish/dropped",
            "bytes/received", "bytes/sent", "sockets", "connections",
        ]
    }

    private mutating func updateLoad() {
        // Before the first heartbeat it is not known what listeners have counted.
        guard !listenerTotals.isEmpty else { return }
        load.update(
            [
                listeners(.packetsReceived), packetsSent, router(.messagesPublished), router(.messagesDelivered),
                messagesDropped, listeners(.bytesReceived), listeners(.bytesSent), listeners(.connectionsOpened),
                router(.connects),
            ], milliseconds: milliseconds)
    }

    private func loadTopics() -> [(name: String, value: String)] {
        zip(Self.loads, load.averages).flatMap { name, averages in
            zip(LoadAverages.minutes, averages).map { minutes, average in
                ("load/\(name)/\(minutes)min", LoadAverages.text(average))
            }
        }
    }

    private func systemTopics() -> [(name: String, value: String)] {
        let queued = queuedMessages
        return [
            ("version", "Apus \(settings.version)"),
            ("uptime", "\(seconds &- startedAt) seconds"),
            ("clients/connected", "\(connectionCount)"),
            ("clients/active", "\(connectionCount)"),
            ("clients/disconnected", "\(sessionCount - connectionCount)"),
            ("clients/inactive", "\(sessionCount - connectionCount)"),
            ("clients/total", "\(sessionCount)"),
            ("clients/maximum", "\(mostConnections)"),
            ("clients/expired", "\(router(.sessionsExpired))"),
            ("subscriptions/count", "\(tree.count)"),
            ("shared_subscriptions/count", "\(tree.sharedCount)"),
            ("retained messages/count", "\(retained.count)"),
            ("store/messages/count", "\(queued.messages)"),
            ("store/messages/bytes", "\(queued.bytes)"),
            ("messages/stored", "\(queued.messages)"),
            ("messages/received", "\(listeners(.packetsReceived))"),
            ("messages/sent", "\(packetsSent)"),
            ("publish/messages/received", "\(router(.messagesPublished))"),
            ("publish/messages/sent", "\(router(.messagesDelivered))"),
            ("publish/messages/dropped", "\(messagesDropped)"),
            ("publish/bytes/received", "\(listeners(.payloadBytesReceived))"),
            ("publish/bytes/sent", "\(listeners(.payloadBytesSent))"),
            ("bytes/received", "\(listeners(.bytesReceived))"),
            ("bytes/sent", "\(listeners(.bytesSent))"),
            ("heap/current", "\(memory)"),
            ("heap/maximum", "\(mostMemory)"),
        ] + loadTopics()
    }

    /// Messages that wait for sessions or are in flight to them, and what they take, in memory and in the store. Memory has
    /// what is the same for several sessions once.
    var queuedMessages: (messages: UInt64, bytes: UInt64) {
        (UInt64(queues.count) + durables.stored, UInt64(queues.messages.bytes) + durables.storedBytes)
    }
}
