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
    case subscriptionsRefused
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

    package var name: String { "router_\(snakeCase("\(self)"))" }
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
