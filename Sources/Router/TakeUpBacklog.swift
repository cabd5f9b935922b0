// What waited for clients whose sessions end with their connections, when a router takes over: the store has a part of it,
// the rest is in frames that are handled anew. See Backlog.swift.

import EventLoop
import Messages
import Store

extension Router {
    /// A session of whose backlog the listener has a note, or the store has rows, goes on with that.
    mutating func takeUpBacklog(_ number: Int, _ note: ConnectionNote) {
        let isStored = sessions[number].isDurable
        guard isStored || !note.given.isEmpty else { return }
        var backlog = Backlog(session: UInt32(number), given: note.given, isTold: !note.given.isEmpty)
        // Without a note it was given all that its listener has applied.
        if note.given.isEmpty { backlog.given = settledMarks(Int(sessions[number].link)) }
        for mark in note.given where mark.place == Backlogs.broker { backlogs.own = max(backlogs.own, mark.offset) }
        sessions[number].backlog = backlogs.insert(backlog)
        sessions[number].flags.insert(.resuming)
        resumptions[UInt32(number)] = Resumption(window: [], last: 0, isVolatile: true)
        // Before it is told of more frames than it has applied.
        list(number)
        guard isStored else { return }
        backlogs.stored.insert(UInt32(number))
        guard durables[Int(sessions[number].durable)].stored > 0 else { return forgetDurable(number) }
        resumptionReads += 1
        resumptions[UInt32(number)]?.isReading = true
        requestPage(number)
    }

    /// A page of a session's queue has come. What has an identifier must be known before acknowledgements are handled.
    mutating func readOn(_ number: Int, _ page: borrowing QueuePage) {
        guard let resumption = resumptions[UInt32(number)], resumption.isReading else { return }
        let durable = Int(sessions[number].durable)
        let goesOn = resumption.isVolatile || page.rows.contains { $0.head.packetIdentifier != 0 }
        if goesOn, durables[durable].stored > 0, !page.rows.isEmpty {
            requestPage(number)
        } else {
            resumptionReads -= 1
            resumptions[UInt32(number)]?.isReading = false
            if resumption.isVolatile { forgetDurable(number) }
        }
    }

    /// A row of what waited.
    mutating func loadWaiting(_ row: QueuedRow, _ bytes: RawSpan, _ identifiers: [UInt8], _ number: Int, _ durable: Int)
    {
        durables[durable].loadedThrough = row.sequence
        if durables[durable].stored > 0 {
            durables.removeStored(bytes: UInt64(bytes.byteCount), of: durable)
            sessions[number].queue.waiting -= 1
            sessions[number].queue.bytes -= min(UInt64(bytes.byteCount), sessions[number].queue.bytes)
        }
        let backlog = sessions[number].backlog
        guard identifiers.count >= Self.originByteCount else { return }
        let origin = Self.storedOrigin(identifiers)
        if origin.place == Backlogs.broker { backlogs.own = max(backlogs.own, origin.offset) }
        backlogs[backlog].load(origin)
        guard !backlogs[backlog].hasGiven(origin) else {
            backlogs[backlog].done = row.sequence
            return
        }
        let own = Array(identifiers[Self.originByteCount...])
        let message = queues.messages.keep(
            bytes, topicLength: Int(row.message.topicLength), propertiesLength: Int(row.message.propertiesLength),
            expiresAt: UInt32(clamping: row.message.expiresAt))
        let entry = queues.append(
            QueueEntry(
                message: message, session: UInt32(number), qos: row.head.qos,
                flags: QueueEntry.Flags(rawValue: row.head.flags).intersection(.retain),
                size: UInt32(bytes.byteCount + own.count)),
            identifiers: own, to: &sessions[number].queue)
        enlist(entry)
        backlogs.append(entry, origin, sequence: row.sequence)
    }

    /// All is in memory, and the session is none that outlives its connection.
    private mutating func forgetDurable(_ number: Int) {
        let durable = sessions[number].durable
        sessions[number].queue.waiting -= durables[Int(durable)].stored
        durables.remove(durable)
        sessions[number].durable = noEntry
        sessions[number].flags.remove(.durable)
    }
}
