// Sessions' queues: what happens when a session can not take a message now, and when it can again.

import EventLoop
import MQTT
import Messages
import Store

extension Router {
    /// Puts the message that is being routed at the end of a session's queue, within its limits.
    @inline(never)
    mutating func enqueue(
        _ number: Int, _ message: Outgoing, qos: UInt8, retain: Bool, identifiers: [UInt8] = [], group: UInt32 = noEntry
    ) {
        let isDurable = sessions[number].isDurable && qos > 0
        let identifiers = isDurable && isNumbered(number) ? nextIdentity(message.qos) : identifiers
        let size = message.bytes.byteCount + identifiers.count
        // A client that is away gets what it was promised, which at QoS 0 is nothing.
        guard isDurable || sessions[number].isConnected, makeRoom(number, size) else { return }
        if isDurable, belongsInStore(number) {
            let head = EntryHead(
                qos: qos, flags: QueueEntry.lastingFlags(retain ? .retain : [], origin), packetIdentifier: 0, stage: 0)
            return spill(number, head, identifiers: identifiers, size: size)
        }
        // Behind what lies in the store it would overtake that.
        guard isDurable || !sessions[number].isDurable || durables[Int(sessions[number].durable)].stored == 0 else {
            count(.messagesDropped)
            return noteDropped(number, 1)
        }
        let entry = queues.append(
            QueueEntry(
                message: keep(message), session: UInt32(number), qos: qos, flags: retain ? .retain : [],
                group: group, size: UInt32(size), sequence: isDurable ? nextSequence(number) : 0,
                pending: isDurable ? addDebt() : noEntry, origin: isDurable ? origin : 0),
            identifiers: identifiers, to: &sessions[number].queue)
        enlist(entry)
        if sessions[number].flags.contains(.resuming), !isApplied(number, away: true) {
            queues[entry].flags.insert(.undelivered)
        }
        if isDurable { linger(entry) } else if !sessions[number].isDurable { noteWaiting(entry, number) }
        count(.messagesQueued)
        wait(number)
    }

    /// Messages and bytes of a durable session that wait in memory; what is more lies in the store only.
    static var memoryMessages: UInt32 { 512 }
    static var memoryBytes: UInt64 { 256 << 10 }

    private func belongsInStore(_ number: Int) -> Bool {
        let queue = sessions[number].queue
        let isAway = !sessions[number].isConnected && !sessions[number].flags.contains(.resuming)
        return isAway || durables[Int(sessions[number].durable)].stored > 0
            || queue.waiting >= Self.memoryMessages || queue.bytes >= Self.memoryBytes
    }

    /// Makes room for one message by the queue's policy.
    /// - Returns: false where the message is not taken.
    private mutating func makeRoom(_ number: Int, _ size: Int) -> Bool {
        let limits = queueLimits(number)
        // One that is larger than the whole queue may be makes no room by dropping the others.
        if UInt64(size) > limits.bytes, limits.policy == .dropOldest {
            countDropped(number, .queueBytesExceeded)
            return false
        }
        while sessions[number].queue.waiting >= limits.messages
            || sessions[number].queue.bytes + UInt64(size) > limits.bytes
        {
            let isLong = sessions[number].queue.waiting >= limits.messages
            countDropped(number, isLong ? .queueMessagesExceeded : .queueBytesExceeded)
            switch limits.policy {
            case .dropNewest: return false
            case .disconnect:
                if !condemned.contains(number) { condemned.append(number) }
                return false
            case .dropOldest:
                if !dropOldest(number, size, limits) { return true }
            }
        }
        return true
    }

    private typealias Limits = (messages: UInt32, bytes: UInt64, policy: RouterSettings.QueuePolicy)

    /// What may wait for a session.
    private func queueLimits(_ number: Int) -> Limits {
        if number == bridge, let limits = settings.bridge { return (limits.messages, limits.bytes, limits.policy) }
        return (settings.queueMessages, settings.queueBytes, settings.queuePolicy)
    }

    private mutating func countDropped(_ number: Int, _ limit: RouterCounter, by amount: Int = 1) {
        guard amount > 0 else { return }
        count(.messagesDropped, by: amount)
        count(limit, by: amount)
        noteDropped(number, amount)
        if number == bridge { count(.bridgeDropped, by: amount) }
    }

    /// - Returns: false where what is dropped lies in the store, and the writer will say how much it was.
    private mutating func dropOldest(_ number: Int, _ size: Int, _ limits: Limits) -> Bool {
        var oldest = sessions[number].queue.cursor
        // What was sent once has a packet identifier that the client may know.
        while oldest != noEntry, queues[oldest].packetIdentifier != 0 { oldest = queues[oldest].next }
        if oldest != noEntry {
            finish(oldest)
            return true
        }
        let durable = sessions[number].durable
        guard durable != noEntry, durables[Int(durable)].stored > 0 else { return false }
        let bytes = sessions[number].queue.bytes + UInt64(size)
        log.trim(
            UInt32(number), messages: 1, bytes: bytes > limits.bytes ? bytes - limits.bytes : 0)
        durables.removeStored(bytes: 0, of: Int(durable))
        sessions[number].queue.waiting -= 1
        return false
    }

    /// The writer has dropped the oldest of a session's messages, at least the one that was counted already.
    mutating func settle(_ trim: Trimmed) {
        let number = Int(trim.session)
        guard number < sessions.count, sessions[number].isDurable else { return }
        let durable = Int(sessions[number].durable)
        if trim.messages == 0 {
            // All that is left has an identifier, and stays.
            durables.addStored(bytes: 0, of: durable)
            sessions[number].queue.waiting += 1
            return
        }
        let more = UInt32(min(trim.messages > 1 ? trim.messages - 1 : 0, UInt64(durables[durable].stored)))
        durables.removeStored(more, bytes: trim.bytes, of: durable)
        sessions[number].queue.waiting -= more
        sessions[number].queue.bytes -= min(trim.bytes, sessions[number].queue.bytes)
        countDropped(number, .queueBytesExceeded, by: Int(more))
    }

    /// Counts an entry as one that waits; the cursor comes to it.
    mutating func enlist(_ entry: UInt32) {
        let number = Int(queues[entry].session)
        queues[entry].flags.insert(.queued)
        if sessions[number].queue.cursor == noEntry { sessions[number].queue.cursor = entry }
        sessions[number].queue.waiting += 1
        sessions[number].queue.bytes += UInt64(queues[entry].size)
    }

    /// An entry does not wait any more.
    mutating func delist(_ entry: UInt32) {
        guard queues[entry].flags.contains(.queued) else { return }
        let number = Int(queues[entry].session)
        queues[entry].flags.remove(.queued)
        sessions[number].queue.waiting -= 1
        sessions[number].queue.bytes -= min(UInt64(queues[entry].size), sessions[number].queue.bytes)
        if queues[entry].packetIdentifier != 0, queues[entry].flags.contains(.sent) {
            durables[Int(sessions[number].durable)].notResent -= 1
        }
        if sessions[number].backlog != noEntry { settleWaiting(entry, number) }
    }

    /// Nothing more is to be done for an entry: it leaves its queue, and the store.
    @inline(__always)
    mutating func finish(_ entry: UInt32) {
        let number = Int(queues[entry].session)
        if queues[entry].flags.contains(.queued) { delist(entry) }
        if queues[entry].flags.contains(.written) {
            log.removeEntry(queues[entry].session, queues[entry].sequence)
        }
        let pending = queues[entry].pending
        queues.remove(entry, from: &sessions[number].queue)
        settle(pending)
    }

    /// Notes that a session's queue is to be looked at when its link is flushed or gets room.
    mutating func wait(_ number: Int) {
        guard !sessions[number].flags.contains(.waiting), sessions[number].link >= 0 else { return }
        sessions[number].flags.insert(.waiting)
        links[Int(sessions[number].link)].waiting.append(UInt32(number))
        links[Int(sessions[number].link)].isTouched = true
    }

    /// Forgets everything that waits for a session.
    mutating func clearQueue(_ number: Int) {
        while sessions[number].queue.first != noEntry {
            let entry = sessions[number].queue.first
            let pending = queues[entry].pending
            queues.remove(entry, from: &sessions[number].queue)
            settle(pending)
        }
        sessions[number].queue = MessageQueue()
    }
}
