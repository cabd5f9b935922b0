// What is kept of a message: in memory once for all sessions that it waits for, in the store for those that outlive
// their connections.

import EventLoop
import MQTT
import Messages
import Store

/// A message for a session that lies in the store only, until all of the message's receivers are known.
struct Spill {
    var session: UInt32
    var sequence: UInt64
    var head: EntryHead
    var identifiers: [UInt8]
}

extension Router {
    /// The number in memory of the message that is being routed, which is kept there when somebody first asks.
    mutating func keep(_ message: Outgoing) -> UInt32 {
        if routed == noEntry {
            routed = queues.messages.keep(
                message.bytes, topicLength: message.topicLength, propertiesLength: message.propertiesLength,
                expiresAt: expiry(of: message))
        }
        return routed
    }

    /// Where the message comes from that is being routed, for `PacketWindow.assign`: 1 to 15 are listeners, 0 is the broker
    /// itself.
    var origin: UInt8 {
        guard publication.publisher >= 0, sessions[publication.publisher].link >= 0 else { return 0 }
        return UInt8(1 + links[Int(sessions[publication.publisher].link)].worker % 15)
    }

    /// The sequence of the next message of a durable session.
    @inline(__always)
    mutating func nextSequence(_ number: Int) -> UInt64 {
        let durable = Int(sessions[number].durable)
        let sequence = durables[durable].nextSequence
        durables[durable].nextSequence = sequence &+ 1
        return sequence
    }

    // MARK: what is written only if it is still there a moment later

    /// Milliseconds that a message waits for its acknowledgement before it is written: receivers that read answer faster.
    static var lingering: UInt64 { 8 }

    /// Has an entry written in a moment, if it is still there.
    ///
    /// The identifier of a durable publisher's QoS 2 message is in the open transaction. On disk without the message
    /// it would make a repetition of that be taken for a duplicate, so they go there together.
    @inline(__always)
    mutating func linger(_ entry: UInt32) {
        queues.messages[queues[entry].message].unwritten &+= 1
        if publication.needsCommit { return unlingering.append(entry) }
        lingering.append(
            Lingering(
                entry: entry, session: queues[entry].session, sequence: queues[entry].sequence, since: milliseconds))
    }

    /// Writes what has waited long enough.
    mutating func writeLingering(all: Bool = false) {
        while let next = lingering.first {
            guard queues.isCurrent(next.entry, next.session, next.sequence), queues[next.entry].isUnwritten else {
                lingering.removeFirst()
                continue
            }
            guard all || next.since &+ Self.lingering <= milliseconds else { return }
            lingering.removeFirst()
            write(next.entry, mayShare: true)
        }
    }

    /// Writes all entries of a session that are not. What comes behind them must not be on disk without them: their
    /// publishers would send them again after it.
    private mutating func writeUnwritten(_ number: Int) {
        var entry = sessions[number].queue.last
        var first = noEntry
        while entry != noEntry, queues[entry].isUnwritten || queues[entry].sequence == 0 {
            first = entry
            entry = queues[entry].previous
        }
        while first != noEntry {
            if queues[first].isUnwritten { write(first) }
            first = queues[first].next
        }
    }

    /// Writes an entry of a durable session's queue into the open transaction.
    ///
    /// - Parameter mayShare: all of the message's entries that are not written are about to be, too.
    mutating func write(_ number: UInt32, mayShare: Bool = false) {
        let entry = queues[number]
        var flags = entry.flags.union(.written)
        if entry.packetIdentifier != 0 { flags.insert(.identified) }
        let head = EntryHead(
            qos: entry.qos, flags: entry.lastingFlags, packetIdentifier: entry.packetIdentifier,
            stage: entry.flags.contains(.received) ? 1 : 0)
        let identifiers = queues.identifiers(of: number)
        if entry.message == noEntry {
            log.putEntry(
                entry.session, entry.sequence, head, identifiers: identifiers.span.raw,
                MessageHead(topicLength: 0, propertiesLength: 0), RawSpan())
        } else {
            writeMessage(entry, head, identifiers, mayShare: mayShare)
        }
        queues[number].flags = flags
        if waitsForDisk, entry.pending != noEntry {
            waitForCommit(.entry(number, session: entry.session, sequence: entry.sequence))
        }
    }

    private mutating func writeMessage(
        _ entry: QueueEntry, _ head: EntryHead, _ identifiers: [UInt8], mayShare: Bool
    ) {
        let message = queues.messages[entry.message]
        let bytes = queues.messages.bytes(of: entry.message)
        let messageHead = MessageHead(
            topicLength: message.topicLength, propertiesLength: message.propertiesLength,
            expiresAt: UInt64(message.expiresAt))
        queues.messages[entry.message].unwritten &-= 1
        guard mayShare, message.storedAs != 0 || message.unwritten > 1 else {
            return log.putEntry(
                entry.session, entry.sequence, head, identifiers: identifiers.span.raw, messageHead, bytes)
        }
        if message.storedAs == 0 {
            queues.messages[entry.message].storedAs = nextStoredMessage
            log.putMessage(nextStoredMessage, references: message.unwritten, messageHead, bytes)
            nextStoredMessage += 1
        }
        log.putEntry(
            entry.session, entry.sequence, head, identifiers: identifiers.span.raw,
            message: queues.messages[entry.message].storedAs, size: message.length)
    }

    // MARK: what goes to the store only

    /// Notes that a message goes to the store for a session that has more waiting than memory keeps.
    mutating func spill(_ number: Int, _ head: EntryHead, identifiers: [UInt8], size: Int) {
        let durable = Int(sessions[number].durable)
        let sequence = nextSequence(number)
        if durables[durable].stored == 0 {
            durables[durable].loadedThrough = sequence - 1
            writeUnwritten(number)
        }
        durables.addStored(bytes: size, of: durable)
        sessions[number].queue.waiting += 1
        sessions[number].queue.bytes += UInt64(size)
        spills.append(Spill(session: UInt32(number), sequence: sequence, head: head, identifiers: identifiers))
        publication.needsCommit = true
    }

    /// Writes the message that was routed for all sessions that it is stored for, and those entries that may not wait.
    mutating func writeRouted(_ message: Outgoing) {
        for entry in unlingering { writeUnwritten(Int(queues[entry].session)) }
        unlingering.removeAll(keepingCapacity: true)
        guard !spills.isEmpty else { return }
        let head = MessageHead(
            topicLength: UInt16(message.topicLength), propertiesLength: UInt32(message.propertiesLength),
            expiresAt: UInt64(expiry(of: message)))
        if spills.count == 1 {
            let spill = spills[0]
            log.putEntry(
                spill.session, spill.sequence, spill.head, identifiers: spill.identifiers.span.raw, head, message.bytes)
        } else {
            log.putMessage(nextStoredMessage, references: UInt32(spills.count), head, message.bytes)
            for spill in spills {
                log.putEntry(
                    spill.session, spill.sequence, spill.head, identifiers: spill.identifiers.span.raw,
                    message: nextStoredMessage, size: UInt32(message.bytes.byteCount))
            }
            nextStoredMessage += 1
        }
        spills.removeAll(keepingCapacity: true)
    }
}

/// An entry that is to be written in a moment.
struct Lingering {
    var entry: UInt32
    var session: UInt32
    var sequence: UInt64
    /// Milliseconds of the router's clock.
    var since: UInt64
}

extension QueueEntry {
    /// What the store keeps beside the rest: two flags, and the origin.
    var lastingFlags: UInt8 { Self.lastingFlags(flags, origin) }

    static func lastingFlags(_ flags: Flags, _ origin: UInt8) -> UInt8 {
        flags.intersection([.retain, .sent]).rawValue | origin << 4
    }
}

/// What waits in a ring, first come first served.
struct LingeringRing: ~Copyable {
    private var items: [Lingering] = []
    private var head = 0
    /// How many have waited, and how many do not any more.
    private(set) var appended: UInt64 = 0
    private(set) var removed: UInt64 = 0

    var isEmpty: Bool { head == items.count }
    var first: Lingering? { head < items.count ? items[head] : nil }

    @inline(__always)
    mutating func append(_ item: Lingering) {
        items.append(item)
        appended &+= 1
    }

    mutating func removeFirst() {
        removed &+= 1
        head &+= 1
        if head == items.count {
            items.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 65_536, head &* 2 >= items.count {
            items.removeFirst(head)
            head = 0
        }
    }
}
