// The counters that workers report with every heartbeat: a table a role, the order is the order on the wire.

/// What a listener counts.
@usableFromInline
package enum ListenerCounter: Int, CaseIterable, Sendable {
    case connections
    case connectionsOpened
    case connectionsRefused
    case bytesReceived
    case bytesSent
    case packetsReceived
    case messagesReceived
    case messagesSent
    case messagesDropped
    case malformedPackets
    case protocolErrors
    case keepAliveTimeouts
    case publishersHeldBack
    case arenaExhausted
    /// Bytes of payload of the messages that were received and sent.
    case payloadBytesReceived
    case payloadBytesSent
    /// Packets that were sent and are no PUBLISH.
    case answersSent
    /// What was one too much: `limits.packet_size`, `limits.topic_length`, `limits.topic_levels`, `limits.in_flight`,
    /// `limits.client_id_length`.
    case packetsTooLarge
    case topicsTooLong
    case topicsTooDeep
    case inFlightExceeded
    case clientIdentifiersTooLong
    /// Of clients that are not who they say; beyond `limits.authentications`.
    case authenticationsRefused
    case authenticationsHeldBack

    package var name: String { "listener_\(snakeCase("\(self)"))" }
}

/// What the router counts.
@usableFromInline
package enum RouterCounter: Int, CaseIterable, Sendable {
    case sessions
    case subscriptions
    case retainedMessages
    case messagesPublished
    case messagesDelivered
    case messagesQueued
    case messagesDropped
    case takeOvers
    case connectsRefused
    /// Subscriptions that were one too many for `limits.subscriptions`.
    case subscriptionsRefused
    /// Messages that were one too many for `limits.retained_messages`.
    case retainedRefused
    case connections
    case messagesExpired
    case sessionsExpired
    case storeRefused
    case storeFailures
    case storeHeldBack
    case publishesDenied
    case publishesRefused
    case framesSkipped
    case bridgeWaiting
    case bridgeDropped
    /// Messages of a cluster's that came a second time.
    case messagesRepeated
    /// CONNECTs that were granted.
    case connects
    /// What was one too much: `limits.sessions`, `limits.in_flight`, `limits.retained_bytes`.
    case sessionsRefused
    case inFlightExceeded
    case retainedBytesRefused
    /// Messages that a session's queue had no room for: `limits.queue_messages`, `limits.queue_bytes`.
    case queueMessagesExceeded
    case queueBytesExceeded

    package var name: String { "router_\(snakeCase("\(self)"))" }
}

/// What the bridge counts.
@usableFromInline
package enum BridgeCounter: Int, CaseIterable, Sendable {
    /// 1 while both of its connections to RabbitMQ stand.
    case connected
    case connects
    /// Messages that RabbitMQ has confirmed, and those that it still has to.
    case messagesSent
    case messagesUnconfirmed
    /// Messages from RabbitMQ that the router has taken, and those that it still has to.
    case messagesReceived
    case messagesUnacknowledged
    /// Messages that can not be said on the other side.
    case messagesUnmappable
    /// Messages for which RabbitMQ had no queue.
    case messagesUnroutable
    /// Messages that RabbitMQ has refused, and that were sent again.
    case messagesRefused
    /// Messages of our own that came back.
    case messagesLooped
    /// Messages that RabbitMQ never takes, left out.
    case messagesRejected
    /// Messages of QoS 0 that RabbitMQ delivered again, left out.
    case messagesSkipped
    /// Filters of clients that no message of another broker's can match.
    case filtersUnmappable

    package var name: String { "bridge_\(snakeCase("\(self)"))" }
}

/// What auth counts.
package enum AuthCounter: Int, CaseIterable, Sendable {
    case requests
    /// Of them, those that wait for their answer.
    case waiting
    case accepted
    case refused
    /// Exchanges in which the client was asked for more.
    case challenged
    /// Requests whose connection had gone before they were answered.
    case forgotten
    /// Requests beyond what may be under way.
    case overloaded
    /// In the password file.
    case users

    package var name: String { "auth_\(snakeCase("\(self)"))" }
}

/// `messagesDropped` → `messages_dropped`.
private func snakeCase(_ name: String) -> String {
    var result = ""
    for character in name {
        if character.isUppercase { result.append("_") }
        result.append(character.lowercased())
    }
    return result
}
