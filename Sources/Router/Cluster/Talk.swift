// Brokers of a cluster speak with each other by messages of their own below `$apus/`, which go through the bridge like those of
// clients: they wait with them, are told once, and lie on disk before they are acknowledged.

import EventLoop
import MQTT
import Messages

extension Router {
    /// The bridge has another connection, or the settings say something else of it: everything is told again.
    mutating func beginTalk() {
        beginInterests()
        beginSync()
        if settings.bridge?.isCluster == true { claimAll() } else { claims = Claims() }
    }

    /// Whether something could be said to the other brokers now: RabbitMQ is there, little waits for it, and the store has room.
    var canTalk: Bool {
        guard isInCluster, !isStarting, !isStoreFull, sessions[bridge].isConnected,
            sessions[bridge].flags.isDisjoint(with: [.opening, .resuming, .congested]),
            sessions[bridge].queue.waiting < Self.shortBridgeQueue
        else { return false }
        return canClaim || canSync
    }

    /// Says the next piece of what there is to say.
    mutating func talk() {
        if canClaim { tellClaims() }
        if canSync { continueSync() }
    }

    /// A message to all other brokers: what waits for RabbitMQ waits with it.
    mutating func tellCluster(_ topic: [UInt8], _ payload: [UInt8]) {
        // It would wait for room that it takes.
        guard !isStoreFull else { return }
        let interrupted = publication
        publication = Publication()
        let bytes = topic + payload
        let message = Outgoing(bytes.span.raw, topicLength: topic.count, propertiesLength: 0, qos: 1, retain: false)
        enqueue(bridge, message, qos: 1, retain: false)
        finishRoute(message)
        publication = interrupted
    }

    /// A message of another broker's own.
    /// - Returns: false where it is none that is understood.
    mutating func hearCluster(_ message: borrowing Outgoing) -> Bool {
        guard isInCluster else { return false }
        let topic = message.bytes.extracting(0..<message.topicLength).array
        let payload = message.bytes.extracting(
            message.topicLength..<(message.bytes.byteCount - message.propertiesLength))
        switch topic {
        case Claim.topic:
            guard let claims = Claim.all(in: payload) else { return false }
            for claim in claims { hear(claim) }
        case RetainedItem.topic:
            guard let items = RetainedItem.all(in: payload) else { return false }
            hear(items)
        case SyncMessage.topic:
            guard let message = SyncMessage(payload) else { return false }
            hear(message)
        default: return false
        }
        return true
    }
}
