// What the listener remembers of its JSON clients: requests that wait for the router's word, deliveries that wait for
// TCP's.

import WebSocket

struct JSONState: ~Copyable {
    /// The `Id` of a request as it was written, which its answer repeats.
    typealias Identifier = [UInt8]

    struct Session {
        /// Identifiers of requests that the router has not answered, in the order in which it will.
        var requests: [Identifier] = []
        /// Requests at the front of `requests` that are answered already.
        var answered = 0
        /// The first of them is the client's own `connect`.
        var askedToConnect = false
        /// Deliveries at QoS 1 and 2: where in the output their last byte stands, and their packet identifier.
        var deliveries: [(end: UInt64, packetIdentifier: UInt16)] = []

        var pending: Int { requests.count - answered }

        mutating func takeRequest() -> Identifier? {
            guard answered < requests.count else { return nil }
            defer {
                answered += 1
                if answered == requests.count {
                    requests.removeAll(keepingCapacity: true)
                    answered = 0
                }
            }
            return requests[answered]
        }
    }

    /// Requests of one client that may wait for an answer; beyond that it is not read.
    static let requestLimit = 4096

    var sessions: [Int: Session] = [:]
    /// Slots with deliveries that TCP has not acknowledged.
    var unconfirmed: Set<Int> = []
    var parser = JSONParser()
    /// The strings of the request being handled.
    var scratch: [UInt8] = []
    /// The text of the message being delivered, without and with `Retain`; empty: not made yet.
    var plainText: [UInt8] = []
    var retainedText: [UInt8] = []

    /// A new message is delivered: the texts of the last one are stale.
    @inline(__always)
    mutating func beginMessage() {
        if !plainText.isEmpty { plainText.removeAll(keepingCapacity: true) }
        if !retainedText.isEmpty { retainedText.removeAll(keepingCapacity: true) }
    }

    func hasRoom(_ slot: Int) -> Bool { (sessions[slot]?.pending ?? 0) < Self.requestLimit }

    mutating func forget(_ slot: Int) {
        if !sessions.isEmpty { sessions[slot] = nil }
    }
}
