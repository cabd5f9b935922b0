// Acknowledgements that publishers do not get yet: what they are for is not safe. A value without I/O; Owe.swift gives
// them out.

import EventLoop
import MQTT

/// A PUBACK or PUBREC that waits.
struct PendingAcknowledgement {
    /// The publisher's session; `noEntry`: its connection is gone, and with it whoever it was for.
    var session: UInt32
    /// The next of the same publisher.
    var next = noEntry
    /// What it waits for: receivers, a transaction, the end of the routing.
    var waits: UInt32 = 1
    var packetIdentifier: UInt16
    /// The packet's type.
    var kind: UInt8
    var reason = ReasonCode.success
    /// Where the message's frame begins in its listener's stream.
    var offset: UInt64 = 0
    /// Of the cut that it came before.
    var cut: UInt64 = 0
}

/// The acknowledgements that wait, of all publishers.
struct PendingAcknowledgements: ~Copyable {
    private var table = Table<PendingAcknowledgement>()
    /// The first unused number, each naming the next.
    private var free = noEntry
    /// How many wait.
    private(set) var count = 0
    /// How many of them came before the last cut, and its number.
    private(set) var older = 0
    private var cut: UInt64 = 0

    subscript(number: UInt32) -> PendingAcknowledgement {
        @inline(__always) get { table[Int(number)] }
        @inline(__always) _modify { yield &table[Int(number)] }
    }

    mutating func insert(_ pending: PendingAcknowledgement) -> UInt32 {
        count &+= 1
        var pending = pending
        pending.cut = cut
        guard free != noEntry else {
            table.append(pending)
            return UInt32(table.count - 1)
        }
        let number = free
        free = table[Int(number)].next
        table[Int(number)] = pending
        return number
    }

    /// Counts from now on those that wait now.
    mutating func makeCut() {
        cut &+= 1
        older = count
    }

    mutating func remove(_ number: UInt32) {
        count &-= 1
        if table[Int(number)].cut != cut { older &-= 1 }
        table[Int(number)].next = free
        free = number
    }
}
