// What lies in the store only: brought to memory a page at a time as a session can take it, and forgotten by memory
// when its client goes away.

import EventLoop
import Journal
import Messages
import Store

extension Router {
    /// Messages that wait in memory below which the next page is asked for.
    private static var lowWater: UInt32 { 256 }
    private static var pageMessages: Int { 512 }
    private static var pageBytes: Int { 256 << 10 }

    /// Asks for the next page of a session's messages, if it is time.
    mutating func readMore(_ number: Int) {
        let durable = Int(sessions[number].durable)
        guard durables[durable].stored > 0, !durables[durable].isReading,
            sessions[number].queue.waiting - durables[durable].stored < Self.lowWater, sessions[number].isConnected
        else { return }
        requestPage(number)
    }

    mutating func requestPage(_ number: Int) {
        let durable = Int(sessions[number].durable)
        durables[durable].isReading = true
        durables[durable].readAfter =
            log.isEmpty && commits.committed == commits.submitted ? .max : commits.committed
        store.requestPage(
            UInt32(number), after: durables[durable].loadedThrough, messages: Self.pageMessages,
            bytes: Self.pageBytes)
    }

    /// A page has come.
    mutating func take(_ page: borrowing QueuePage) {
        let number = Int(page.session)
        guard number < sessions.count, sessions[number].isDurable else { return }
        let durable = Int(sessions[number].durable)
        guard durables[durable].isReading else { return }
        durables[durable].isReading = false
        guard sessions[number].isConnected else { return }
        for row in page.rows where row.sequence > durables[durable].loadedThrough {
            load(row, page.bytes(of: row), page.identifiers(of: row).array, number, durable)
        }
        if page.rows.isEmpty, durables[durable].stored > 0 { findNothing(number, durable) }
        if sessions[number].flags.contains(.resuming) { readOn(number, page) }
        wait(number)
    }

    /// The store had nothing for a session that should have something.
    private mutating func findNothing(_ number: Int, _ durable: Int) {
        if durables[durable].readAfter == .max {
            // It never comes: a page of the store is not what was written, and the next start looks for it.
            let lost = durables[durable].stored
            Journal.log(
                .storeDamaged,
                [
                    .reason:
                        "\(lost) messages of \(text(sessions[number].clientIdentifier)) are not where they should be; "
                        + "at the next start it is set aside and searched"
                ], of: client(number))
            store.declareDamaged()
            count(.messagesDropped, by: Int(lost))
            sessions[number].queue.waiting -= lost
            sessions[number].queue.bytes -= min(durables[durable].storedBytes, sessions[number].queue.bytes)
            durables.setStored(0, bytes: 0, of: durable)
        } else if durables[durable].readAfter < commits.committed {
            readMore(number)
        } else {
            // Not committed yet.
            readers.append(UInt32(number))
        }
    }

    /// Something was committed: who found nothing to read looks again.
    mutating func readAgain() {
        guard !readers.isEmpty else { return }
        let waiting = readers
        readers = []
        for session in waiting where sessions[Int(session)].isDurable { readMore(Int(session)) }
    }

    private mutating func load(
        _ row: QueuedRow, _ bytes: RawSpan, _ identifiers: [UInt8], _ number: Int, _ durable: Int
    ) {
        if durables[durable].expiry == 0, resumptions[UInt32(number)]?.isVolatile ?? false {
            return loadWaiting(row, bytes, identifiers, number, durable)
        }
        var flags = QueueEntry.Flags(rawValue: row.head.flags & 15).union(.written)
        if row.head.stage == 1 { flags.insert(.received) }
        if row.head.packetIdentifier != 0 { flags.insert([.identified, .sent]) }
        var message = noEntry
        if !flags.contains(.received) {
            message = queues.messages.keep(
                bytes, topicLength: Int(row.message.topicLength), propertiesLength: Int(row.message.propertiesLength),
                expiresAt: UInt32(clamping: row.message.expiresAt))
        }
        let size = message == noEntry ? 0 : bytes.byteCount + identifiers.count
        let entry = queues.append(
            QueueEntry(
                message: message, session: UInt32(number), packetIdentifier: row.head.packetIdentifier,
                qos: row.head.qos, flags: flags, size: UInt32(size), sequence: row.sequence,
                origin: row.head.flags >> 4),
            identifiers: identifiers, to: &sessions[number].queue)
        // It was counted already, as one that lies in the store.
        if durables[durable].stored > 0 {
            durables.removeStored(bytes: UInt64(size), of: durable)
            sessions[number].queue.waiting -= 1
            sessions[number].queue.bytes -= min(UInt64(size), sessions[number].queue.bytes)
        }
        enlist(entry)
        if row.head.packetIdentifier != 0 {
            let stage: PacketWindow.Stage =
                flags.contains(.received) ? .completion : row.head.qos == 2 ? .receipt : .acknowledgement
            sessions[number].outgoing.insert(.init(row.head.packetIdentifier, stage, entry: entry))
            durables[durable].notResent += 1
        }
        durables[durable].loadedThrough = row.sequence
    }

    /// A durable session's client has gone: all that it has not acknowledged waits from the beginning, and lies in the
    /// store.
    mutating func park(_ number: Int) {
        let durable = Int(sessions[number].durable)
        var entry = sessions[number].queue.first
        durables[durable].notResent = 0
        while entry != noEntry {
            let next = queues[entry].next
            if queues[entry].sequence == 0 {
                // At QoS 0 nothing was promised.
                finish(entry)
            } else {
                if queues[entry].packetIdentifier != 0 { queues[entry].flags.insert(.sent) }
                if queues[entry].isUnwritten { write(entry) }
                if queues[entry].packetIdentifier != 0 {
                    if !queues[entry].flags.contains(.identified) { identify(entry) }
                    durables[durable].notResent += 1
                }
                if !queues[entry].flags.contains(.queued) { enlist(entry) }
            }
            entry = next
        }
        sessions[number].queue.cursor = sessions[number].queue.first
        durables[durable].isReading = false
        waitForCommit(.away(session: UInt32(number), acceptNumber: sessions[number].acceptNumber))
    }

    /// What a session has waiting is all in the store: memory forgets it, unless the client came back meanwhile.
    mutating func evict(_ number: Int, _ acceptNumber: UInt64) {
        guard sessions[number].isDurable, !sessions[number].isConnected,
            sessions[number].acceptNumber == acceptNumber
        else { return }
        let durable = Int(sessions[number].durable)
        let queue = sessions[number].queue
        guard queue.first != noEntry else { return }
        guard isWritten(queue) else {
            // The store failed meanwhile: it is written again when there is room.
            if !isStoreFull { writeAll(queue) }
            return commits.append(
                .away(session: UInt32(number), acceptNumber: acceptNumber), after: commits.submitted + 1)
        }
        durables[durable].loadedThrough = queues[queue.first].sequence - 1
        clearQueue(number)
        sessions[number].queue.waiting = queue.waiting
        sessions[number].queue.bytes = queue.bytes
        durables.setStored(queue.waiting, bytes: queue.bytes, of: durable)
        sessions[number].outgoing.removeAll()
        durables[durable].notResent = 0
    }

    private func isWritten(_ queue: MessageQueue) -> Bool {
        var entry = queue.first
        while entry != noEntry {
            if queues[entry].isUnwritten { return false }
            entry = queues[entry].next
        }
        return true
    }

    private mutating func writeAll(_ queue: MessageQueue) {
        var entry = queue.first
        while entry != noEntry {
            if queues[entry].isUnwritten { write(entry) }
            entry = queues[entry].next
        }
    }
}
