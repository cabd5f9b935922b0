// The brokers of a cluster tell each other who has connected: a client identifier has one connection in all of them
// [MQTT-3.1.4-3]. They do so by messages of their own, which go through the bridge like those of clients.

import EventLoop
import Journal
import MQTT
import Messages

/// A client has connected to one of the brokers.
struct Claim: Equatable {
    static let topic = Array("$apus/claim".utf8)

    /// When, in nanoseconds since 1970 by that broker's clock; of two connections the later one holds.
    var acceptNumber: UInt64
    /// Whether sessions that it has elsewhere end [MQTT-3.1.2-4].
    var isClean = false
    var clientIdentifier: [UInt8]

    /// u64 accept number, u8 1 for a clean start, the client identifier.
    var payload: [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: acceptNumber >> UInt64(8 * $0)) } + [isClean ? 1 : 0] + clientIdentifier
    }

    init(acceptNumber: UInt64, isClean: Bool = false, clientIdentifier: [UInt8]) {
        self.acceptNumber = acceptNumber
        self.isClean = isClean
        self.clientIdentifier = clientIdentifier
    }

    /// nil: it is none.
    init?(payload: RawSpan) {
        guard payload.byteCount > 9 else { return nil }
        acceptNumber = payload.load64(at: 0)
        isClean = payload.load8(at: 8) == 1
        clientIdentifier = payload.extracting(9...).array
    }
}

extension Router {
    /// Tells the other brokers that a client has connected here, if there are others.
    /// - Parameter isClean: with a session that begins; else one that goes on.
    mutating func claim(_ number: Int, isClean: Bool = false) {
        guard settings.bridge?.isCluster == true, bridge >= 0, number != bridge else { return }
        let claim = Claim(
            acceptNumber: sessions[number].acceptNumber, isClean: isClean,
            clientIdentifier: sessions[number].clientIdentifier)
        tellCluster(Claim.topic, claim.payload)
    }

    /// A message to all other brokers: what waits for RabbitMQ waits with it.
    private mutating func tellCluster(_ topic: [UInt8], _ payload: [UInt8]) {
        let interrupted = publication
        publication = Publication()
        let bytes = topic + payload
        let message = Outgoing(
            bytes.span.raw, topicLength: topic.count, propertiesLength: 0, qos: 1, retain: false)
        enqueue(bridge, message, qos: 1, retain: false)
        finishRoute(message)
        publication = interrupted
    }

    /// A message of another broker's own.
    mutating func hearCluster(_ message: borrowing Outgoing) {
        guard settings.bridge?.isCluster == true, message.topicLength == Claim.topic.count,
            message.bytes.extracting(0..<message.topicLength).array == Claim.topic,
            let claim = Claim(
                payload: message.bytes.extracting(
                    message.topicLength..<(message.bytes.byteCount - message.propertiesLength)))
        else { return }
        hear(claim)
    }

    private mutating func hear(_ claim: Claim) {
        guard !isReserved(claim.clientIdentifier) else { return }
        if claim.isClean { wake(client: claim.clientIdentifier) }
        guard let known = session(ofClient: claim.clientIdentifier) else { return }
        let number = Int(known)
        guard sessions[number].acceptNumber < claim.acceptNumber else {
            // The other broker does not know of this one.
            if sessions[number].isConnected, sessions[number].acceptNumber > claim.acceptNumber { self.claim(number) }
            return
        }
        if sessions[number].isConnected {
            count(.takeOvers)
            Journal.log(
                .takeOver,
                [
                    .peer: "another broker of the cluster",
                    .reason: "its former connection was from \(sessions[number].peer.description)",
                    .reasonCode: "0x8E",
                ], of: client(number))
            dismiss(number, .sessionTakenOver)
        }
        // Dismissed, it may be over already.
        if claim.isClean, let known = session(ofClient: claim.clientIdentifier) { end(Int(known), publishWill: true) }
    }
}
