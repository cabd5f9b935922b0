// The brokers of a cluster tell each other who has connected: a client identifier has one connection in all of them
// [MQTT-3.1.4-3]. What is to be told waits here, one word a client, until RabbitMQ is there; who begins tells of everybody.

import EventLoop
import Journal
import MQTT
import Messages

/// A client has connected to one of the brokers.
struct Claim: Equatable {
    static let topic = Array("$apus/claim".utf8)
    static let version: UInt8 = 1
    private static let headByteCount = 11

    /// When, in nanoseconds since 1970 by that broker's clock; of two connections the later one holds.
    var acceptNumber: UInt64
    /// Whether sessions that it has elsewhere end [MQTT-3.1.2-4].
    var isClean = false
    var clientIdentifier: [UInt8]

    func append(to bytes: inout [UInt8]) {
        bytes.append(integer: acceptNumber)
        bytes.append(isClean ? 1 : 0)
        bytes.append(integer: UInt16(truncatingIfNeeded: clientIdentifier.count))
        bytes += clientIdentifier
    }

    /// The claims of a message.
    /// - Returns: nil where it is not made as this broker makes them.
    static func all(in message: RawSpan) -> [Claim]? {
        guard message.byteCount > 0, message.load8(at: 0) == version else { return nil }
        var claims: [Claim] = []
        var offset = 1
        while offset < message.byteCount {
            let start = offset + headByteCount
            guard start <= message.byteCount else { return nil }
            let end = start + Int(message.load16(at: offset + 9))
            guard end > start, end <= message.byteCount else { return nil }
            claims.append(
                Claim(
                    acceptNumber: message.load64(at: offset), isClean: message.load8(at: offset + 8) == 1,
                    clientIdentifier: message.extracting(start..<end).array))
            offset = end
        }
        return claims
    }
}

/// What the other brokers have not been told yet.
struct Claims {
    /// Clients that may wait here. With more, those that are connected are told of when everybody is.
    static let limit = 65_536

    var waiting: [[UInt8]: Claim] = [:]
    /// Sessions whose clients are told of, whoever they are.
    var everybody = 0..<0
    /// There were more than could wait.
    fileprivate(set) var isOverfull = false

    mutating func add(_ claim: Claim) {
        guard waiting.count < Self.limit || waiting[claim.clientIdentifier] != nil else {
            isOverfull = true
            return
        }
        var claim = claim
        if let former = waiting[claim.clientIdentifier], former.isClean { claim.isClean = true }
        waiting[claim.clientIdentifier] = claim
    }
}

extension Router {
    /// Claims in a message, and sessions that are looked at in a turn.
    private static var claimsAtOnce: Int { 512 }
    private static var sessionsAtOnce: Int { 8192 }

    /// A client has connected here: the other brokers are to know, if there are others.
    /// - Parameter isClean: with a session that begins; else one that goes on.
    mutating func claim(_ number: Int, isClean: Bool = false) {
        guard isInCluster, number != bridge else { return }
        claims.add(
            Claim(
                acceptNumber: sessions[number].acceptNumber, isClean: isClean,
                clientIdentifier: sessions[number].clientIdentifier))
    }

    /// Whether somebody could be told of now.
    var canClaim: Bool { !claims.waiting.isEmpty || !claims.everybody.isEmpty }

    /// Everybody is told of.
    mutating func claimAll() { claims.everybody = 0..<sessions.count }

    /// Tells of the next clients.
    mutating func tellClaims() {
        if claims.isOverfull, claims.waiting.count < Claims.limit {
            claims.isOverfull = false
            claimAll()
        }
        for number in claims.everybody.prefix(Self.sessionsAtOnce) {
            guard claims.waiting.count < Self.claimsAtOnce else { break }
            claims.everybody.removeFirst()
            guard sessions.has(number), sessions[number].isConnected, number != bridge,
                claims.waiting[sessions[number].clientIdentifier] == nil
            else { continue }
            claim(number)
        }
        guard !claims.waiting.isEmpty else { return }
        var message = [Claim.version]
        for (client, claim) in claims.waiting.prefix(Self.claimsAtOnce) {
            claim.append(to: &message)
            claims.waiting[client] = nil
        }
        tellCluster(Claim.topic, message)
    }

    /// A client has connected to another broker.
    mutating func hear(_ claim: Claim) {
        guard !isReserved(claim.clientIdentifier) else { return }
        if claim.isClean { wake(client: claim.clientIdentifier) }
        guard let known = session(ofClient: claim.clientIdentifier) else { return }
        let number = Int(known)
        guard sessions[number].acceptNumber < claim.acceptNumber else {
            // The other broker does not know of this one.
            if sessions[number].isConnected, sessions[number].acceptNumber > claim.acceptNumber { self.claim(number) }
            return
        }
        claims.waiting[claim.clientIdentifier] = nil
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
