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

    private func systemTopics() -> [(name: String, value: String)] {
        func listeners(_ counter: ListenerCounter) -> UInt64 {
            counter.rawValue < listenerTotals.count ? listenerTotals[counter.rawValue] : 0
        }
        func router(_ counter: RouterCounter) -> UInt64 { counters[counter.rawValue] }
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
            ("retained messages/count", "\(retained.count)"),
            ("store/messages/count", "\(queued.messages)"),
            ("store/messages/bytes", "\(queued.bytes)"),
            ("messages/received", "\(listeners(.packetsReceived))"),
            ("publish/messages/received", "\(router(.messagesPublished))"),
            ("publish/messages/sent", "\(router(.messagesDelivered))"),
            ("publish/messages/dropped", "\(router(.messagesDropped) + listeners(.messagesDropped))"),
            ("bytes/received", "\(listeners(.bytesReceived))"),
            ("bytes/sent", "\(listeners(.bytesSent))"),
        ]
    }

    /// Messages that wait for sessions, and what they take.
    var queuedMessages: (messages: UInt64, bytes: UInt64) {
        (UInt64(queues.count) + durables.stored, UInt64(queues.messages.bytes))
    }
}
