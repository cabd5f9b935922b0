// The queues of all sessions: lists of entries in one flat table, each naming a message. A value without I/O.
//
// A queue begins with what was sent and is kept until it is acknowledged; the cursor stands at the first entry that
// was not sent on this connection. On a new connection it goes back to the front.

import EventLoop
import Messages

/// A message's place in one session's queue.
struct QueueEntry {
    /// `noEntry`: it has been received, and only its identifier is still in use.
    var message: UInt32
    var session: UInt32
    var next = noEntry
    var previous = noEntry
    /// 0: none was assigned yet.
    var packetIdentifier: UInt16 = 0
    var qos: UInt8
    var flags: Flags = []
    /// The shared subscription that it came by; `noEntry`: none.
    var group = noEntry
    /// What it adds to the queue's bytes while it waits.
    var size: UInt32 = 0
    /// The properties that go with this session's copy only, its subscription identifiers: an index of the table of
    /// those, plus one; 0: none.
    var identifiers: UInt32 = 0
    /// Its place in the session's part of the store; 0: it is in no store, and not to be.
    var sequence: UInt64 = 0

    /// Whether it stays until it is acknowledged.
    var isKept: Bool { qos > 0 && (sequence != 0 || group != noEntry) }
    /// Whether it belongs into the store and is not there.
    var isUnwritten: Bool { sequence != 0 && !flags.contains(.written) }

    /// The publisher's acknowledgement that waits for it; `noEntry`: none.
    var pending = noEntry
    /// The listener of its publisher, see `PacketWindow.assign`; below 16.
    var origin: UInt8 = 0

    struct Flags: OptionSet {
        let rawValue: UInt8
        /// The RETAIN flag is sent with it.
        static var retain: Flags { Flags(rawValue: 1) }
        /// Was sent, perhaps on an earlier connection: a PUBLISH is marked as a duplicate [MQTT-3.3.1-1].
        static var sent: Flags { Flags(rawValue: 2) }
        /// PUBREC has come: PUBREL is what is sent.
        static var received: Flags { Flags(rawValue: 4) }
        /// The store has a row for it, or its transaction is under way.
        static var written: Flags { Flags(rawValue: 8) }
        /// May not be sent before what was written of it is on disk.
        static var awaitsCommit: Flags { Flags(rawValue: 16) }
        /// The store knows its packet identifier.
        static var identified: Flags { Flags(rawValue: 32) }
        /// Not sent on this connection: the queue counts it.
        static var queued: Flags { Flags(rawValue: 64) }
        /// No router has sent it, while that is being found out of others.
        static var undelivered: Flags { Flags(rawValue: 128) }
    }
}

/// One session's queue.
struct MessageQueue {
    var first = noEntry
    var last = noEntry
    /// The first that is not sent; `noEntry`: all are.
    var cursor = noEntry
    /// Messages not sent, those that lie in the store only counted.
    var waiting: UInt32 = 0
    /// What those add up to, in bytes of topic, payload and properties.
    var bytes: UInt64 = 0
}

let noEntry = UInt32.max

/// The storage behind all queues.
struct QueueStore: ~Copyable {
    private var entries = Table<QueueEntry>()
    /// The first unused entry, each naming the next.
    private var free = noEntry
    private var identifiers: [[UInt8]] = []
    private var freeIdentifiers: [UInt32] = []
    var messages = MessagePool()
    /// Entries in all queues.
    private(set) var count = 0

    subscript(entry: UInt32) -> QueueEntry {
        @inline(__always) get { entries[Int(entry)] }
        @inline(__always) _modify { yield &entries[Int(entry)] }
    }

    /// The properties that go with an entry only.
    func identifiers(of entry: UInt32) -> [UInt8] {
        let index = entries[Int(entry)].identifiers
        return index == 0 ? [] : identifiers[Int(index) - 1]
    }

    /// Puts an entry at the end of a queue. Whether it waits is the caller's to count.
    mutating func append(_ entry: QueueEntry, identifiers: [UInt8] = [], to queue: inout MessageQueue) -> UInt32 {
        var entry = entry
        if entry.message != noEntry { messages[entry.message].references &+= 1 }
        if !identifiers.isEmpty { entry.identifiers = keep(identifiers) }
        entry.previous = queue.last
        entry.next = noEntry
        let number: UInt32
        if free != noEntry {
            number = free
            free = entries[Int(number)].next
            entries[Int(number)] = entry
        } else {
            number = UInt32(entries.count)
            entries.append(entry)
        }
        count &+= 1
        if queue.last == noEntry { queue.first = number } else { entries[Int(queue.last)].next = number }
        queue.last = number
        return number
    }

    /// Takes an entry out of its queue, and forgets its message if it was the last to name it.
    mutating func remove(_ number: UInt32, from queue: inout MessageQueue) {
        let entry = entries[Int(number)]
        if queue.cursor == number { queue.cursor = entry.next }
        if entry.previous == noEntry {
            queue.first = entry.next
        } else {
            entries[Int(entry.previous)].next = entry.next
        }
        if entry.next == noEntry {
            queue.last = entry.previous
        } else {
            entries[Int(entry.next)].previous = entry.previous
        }
        if entry.identifiers != 0 {
            identifiers[Int(entry.identifiers) - 1] = []
            freeIdentifiers.append(entry.identifiers - 1)
        }
        if entry.isUnwritten, entry.message != noEntry { messages[entry.message].unwritten &-= 1 }
        forgetMessage(of: number)
        // Whoever still has the number finds that it is not the entry that it was.
        entries[Int(number)].sequence = 0
        entries[Int(number)].pending = noEntry
        entries[Int(number)].next = free
        free = number
        count &-= 1
    }

    /// Whether an entry is still the one that had this session and sequence.
    @inline(__always)
    func isCurrent(_ number: UInt32, _ session: UInt32, _ sequence: UInt64) -> Bool {
        entries[Int(number)].sequence == sequence && entries[Int(number)].session == session
    }

    /// The message of an entry is not needed any more, its packet identifier still is.
    mutating func forgetMessage(of number: UInt32) {
        let message = entries[Int(number)].message
        guard message != noEntry else { return }
        entries[Int(number)].message = noEntry
        messages[message].references &-= 1
        messages.release(message)
    }

    private mutating func keep(_ bytes: [UInt8]) -> UInt32 {
        if let unused = freeIdentifiers.popLast() {
            identifiers[Int(unused)] = bytes
            return unused + 1
        }
        identifiers.append(bytes)
        return UInt32(identifiers.count)
    }
}
