// What the listener keeps beside its JSON clients' records in the arena: the parser, texts that are used again, and who
// has deliveries that wait for TCP.

import Arena
import CArena
import Connection
import WebSocket

/// Bits of a JSON client's record.
enum RecordFlags {
    /// The oldest request that is not answered is the client's own `connect`.
    static var askedToConnect: UInt32 { 1 }
}

struct JSONState: ~Copyable {
    /// Bytes of the identifiers of requests of one client that may wait for an answer; beyond that it is not read.
    static let requestBytes: UInt32 = 64 << 10

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
}

extension Listener {
    /// Whether another request of a JSON client may be handled.
    func hasRequestRoom(_ slot: Int) -> Bool {
        // Who it is decides about what it wants.
        guard state(slot) != .authenticating else { return false }
        guard arena.hasRecord(slot) else { return true }
        let requests = arena[record: slot].requests
        return requests.end - requests.start < JSONState.requestBytes
    }
}
