// Puts into the store what waits for clients whose sessions end with their connections, where it holds back the release of
// a stream, and takes it out again; see Backlog.swift. Called at the end of each turn. Nothing here is fatal: what the store
// does not take is released with the rest when its time has come.

import EventLoop
import Messages
import Store

extension Router {
    /// Entries that one turn writes.
    private static var kept: Int { 1024 }

    /// Writes what waits, once a stream is held back for long.
    mutating func keepBacklogs() {
        removeGiven()
        keepUrgent()
        guard !isRecovering, backlogs.count > 0 || backlogs.keeping >= 0, !isStoreFull,
            log.byteCount + store.pendingBytes < Self.changesLimit / 2
        else { return }
        if backlogs.keeping < 0 {
            guard unreleased > backlogs.limit, backlogs.older > 0 else { return }
            // What came since the last cut goes with the rest.
            makeCut()
            backlogs.keeping = 0
            backlogs.isBlocked = false
        }
        var room = Self.kept
        while backlogs.keeping < backlogs.indices.count {
            guard room > 0 else { return }
            room -= 1
            if keepBacklog(UInt32(backlogs.keeping), &room) { backlogs.keeping += 1 }
        }
        backlogs.keeping = -1
        if !backlogs.isBlocked { backlogs.blockedSince = 0 }
    }

    /// Whether frames would be forgotten before the store has what waits of them: so long listeners are not read, and their
    /// own limits hold their publishers back. A listener that takes nothing holds nobody back for longer than a moment, a
    /// store that is full or fails not at all: then what is killed with the router is lost.
    var isKeepingBehind: Bool {
        guard unreleased > Self.unreleasedLimit / 2, !isStoreFull, milliseconds >= retryAt else { return false }
        if backlogs.keptWith > commits.committed { return true }
        return backlogs.older > 0
            && (backlogs.blockedSince == 0 || milliseconds &- backlogs.blockedSince < Self.longestBlock)
    }

    /// Milliseconds that a listener which takes nothing can hold the others back.
    private static var longestBlock: UInt64 { 250 }

    /// What no frame has goes to the store at once, with the change that it came from: a delayed will is forgotten by the
    /// same transaction.
    private mutating func keepUrgent() {
        guard !backlogs.urgent.isEmpty, !isRecovering else { return }
        let urgent = backlogs.urgent
        backlogs.urgent = []
        for number in urgent where !isStoreFull { keepBacklog(of: Int(number)) }
    }

    /// - Returns: whether nothing more is to be written.
    private mutating func keepBacklog(_ index: UInt32, _ room: inout Int) -> Bool {
        let backlog = backlogs[index]
        guard backlog.session != noEntry, backlog.unkept != noEntry else { return true }
        let number = Int(backlog.session)
        let link = Int(sessions[number].link)
        // In the store it would stand for all before it, which the socket does not have yet.
        guard links[link].put >= backlog.givenAt else {
            backlogs.isBlocked = true
            if backlogs.blockedSince == 0 { backlogs.blockedSince = milliseconds }
            return true
        }
        let isGivingWay = isGivingWay(number)
        while room > 0, backlogs[index].unkept != noEntry {
            room -= 1
            let entry = backlogs[index].unkept
            if isGivingWay, queues[entry].qos == 0 {
                backlogs[index].unkept = queues[entry].next
                backlogs.giveUp(entry)
            } else {
                keepWaiting(number, index)
            }
        }
        return backlogs[index].unkept == noEntry
    }

    /// Whether a queue is about to drop its oldest messages. Nothing is promised of those at QoS 0, and they would be written to
    /// be dropped.
    private func isGivingWay(_ number: Int) -> Bool {
        guard settings.queuePolicy == .dropOldest else { return false }
        let queue = sessions[number].queue
        return queue.waiting > settings.queueMessages - settings.queueMessages / 8
            || queue.bytes > settings.queueBytes - settings.queueBytes / 8
    }

    /// Writes what waits for a session and is not in the store.
    private mutating func keepBacklog(of number: Int) {
        let index = sessions[number].backlog
        guard index != noEntry else { return }
        while backlogs[index].unkept != noEntry { keepWaiting(number, index) }
    }

    /// Writes all that waits for a session, because the router ends, in the order of its queue.
    mutating func keepWholeBacklog(of number: Int) {
        let index = sessions[number].backlog
        guard index != noEntry else { return }
        if backlogs.stored.contains(UInt32(number)) {
            log.removeEntries(UInt32(number), through: backlogs.nextSequence - 1)
        }
        backlogs[index].unkept = sessions[number].queue.cursor
        keepBacklog(of: number)
    }

    /// Writes the first entry that is not.
    private mutating func keepWaiting(_ number: Int, _ index: UInt32) {
        let entry = backlogs[index].unkept
        backlogs[index].unkept = queues[entry].next
        // The next router finds a retained message by itself, and the note says which it is.
        guard !backlogs.isRetained(entry) else { return backlogs.giveUp(entry) }
        backlogs.keptWith = commits.submitted + 1
        if backlogs.stored.insert(UInt32(number)).inserted {
            log.putSession(
                StoredSession(
                    number: UInt32(number), clientIdentifier: sessions[number].clientIdentifier,
                    version: sessions[number].version, expiryInterval: 0, expiresAt: 0, will: [], willAt: 0))
        }
        let waiting = backlogs.keep(entry)
        let message = queues.messages[queues[entry].message]
        let identifiers = Self.encoded(waiting.origin) + queues.identifiers(of: entry)
        log.putEntry(
            UInt32(number), waiting.sequence,
            EntryHead(qos: queues[entry].qos, flags: queues[entry].lastingFlags, packetIdentifier: 0, stage: 0),
            identifiers: identifiers.span.raw,
            MessageHead(
                topicLength: message.topicLength, propertiesLength: message.propertiesLength,
                expiresAt: UInt64(message.expiresAt)),
            queues.messages.bytes(of: queues[entry].message))
    }

    private static func encoded(_ origin: StreamMark) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: origin.place >> UInt32(8 * $0)) }
            + (0..<8).map { UInt8(truncatingIfNeeded: origin.offset >> UInt64(8 * $0)) }
    }

    /// Bytes that stand before the identifiers of such an entry.
    static var originByteCount: Int { 12 }

    /// Where a stored entry came from.
    static func storedOrigin(_ identifiers: [UInt8]) -> StreamMark {
        let bytes = identifiers.span.raw
        return StreamMark(place: bytes.load32(at: 0), offset: bytes.load64(at: 4))
    }

    /// Takes out of the store what clients were given, once their listeners' sockets have it.
    private mutating func removeGiven() {
        guard !backlogs.removals.isEmpty else { return }
        var left: [BacklogRemoval] = []
        for removal in backlogs.removals {
            // The session may be over, and its rows gone with it.
            guard backlogs.stored.contains(removal.session), links[removal.link].serial == removal.serial else {
                continue
            }
            if links[removal.link].put >= removal.put {
                log.removeEntries(removal.session, through: removal.through)
            } else {
                left.append(removal)
            }
        }
        backlogs.removals = left
    }
}
