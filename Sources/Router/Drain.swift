// Sends what waits in queues, as the sessions' windows, connections and links have room.

import EventLoop
import MQTT
import Messages
import Store

extension Router {
    /// Sends what the sessions that wait on a link can take now, each a little in turn, so that none starves.
    mutating func drainWaiting(_ link: Int) {
        guard !links[link].waiting.isEmpty, links[link].hasRoom else { return }
        let waiting = links[link].waiting
        links[link].waiting.removeAll(keepingCapacity: true)
        for entry in waiting {
            let number = Int(entry)
            guard sessions[number].link == Int32(link) else { continue }
            sessions[number].flags.remove(.waiting)
            // Only a full link, or the end of its turn, keeps it waiting; its window, its connection or the store wake
            // it up by themselves.
            if drain(number, link) { wait(number) }
            if links[link].batch >= 0, links[link].outputEnd - links[link].batch > ListenerLink.batchLength {
                closeBatch(link)
            }
        }
    }

    /// Messages of one queue that are sent in a row.
    private static var burst: Int { 64 }

    /// - Returns: whether it could go on.
    private mutating func drain(_ number: Int, _ link: Int) -> Bool {
        guard sessions[number].flags.isDisjoint(with: .silent) else { return false }
        var room = Self.burst
        while true {
            let entry = sessions[number].queue.cursor
            guard entry != noEntry else { break }
            guard room > 0, links[link].hasRoom else { return true }
            room -= 1
            guard sendNext(entry, number, link) else { break }
        }
        if sessions[number].isDurable {
            assignAhead(number)
            readMore(number)
        }
        return false
    }

    /// Sends the entry at the cursor.
    /// - Returns: false when it can not be sent now.
    private mutating func sendNext(_ entry: UInt32, _ number: Int, _ link: Int) -> Bool {
        guard queues[entry].flags.contains(.queued) else {
            // It was acknowledged before it was its turn to be sent again.
            sessions[number].queue.cursor = queues[entry].next
            return true
        }
        if queues[entry].flags.contains(.received) {
            guard isReceiptStored(entry, number) else { return false }
            release(entry, number, link)
            return true
        }
        if isExpired(entry) {
            count(.messagesExpired)
            finish(entry)
            return true
        }
        if queues[entry].qos > 0 {
            guard hasIdentifier(entry, number), !queues[entry].flags.contains(.awaitsCommit) else { return false }
        }
        send(entry, number, link)
        return true
    }

    /// Whether the client may forget an identifier: not before the store knows that it has the message. Else the session is
    /// looked at again then.
    private mutating func isReceiptStored(_ entry: UInt32, _ number: Int) -> Bool {
        guard waitsForDisk, queues[entry].sequence != 0 else { return true }
        let transaction = durables[Int(sessions[number].durable)].receipts
        guard transaction > commits.committed else { return true }
        commits.append(.receipts(session: UInt32(number)), after: transaction)
        return false
    }

    /// PUBREL, for a message that the client received on an earlier connection [MQTT-4.4.0-1].
    private mutating func release(_ entry: UInt32, _ number: Int, _ link: Int) {
        links[link].acknowledge(
            SlotEntry(
                acknowledgement: PacketType.pubrel.rawValue, slot: sessions[number].slot,
                generation: sessions[number].generation, packetIdentifier: queues[entry].packetIdentifier))
        advance(entry, number)
    }

    /// Whether an entry has a packet identifier, if need be a new one, and may be sent within the receive maximum
    /// [MQTT-3.3.4-9].
    private mutating func hasIdentifier(_ entry: UInt32, _ number: Int) -> Bool {
        if queues[entry].packetIdentifier == 0 { return assign(entry, number) }
        return !queues[entry].flags.contains(.sent) || hasQuota(number)
    }

    /// Whether one more may be in flight. An identifier of an earlier connection counts again when it is used again.
    ///
    /// - Parameter reserved: messages that are to come before it, and do not count yet.
    private func hasQuota(_ number: Int, reserved: Int = 0) -> Bool {
        let durable = sessions[number].durable
        let notResent = durable == noEntry ? 0 : Int(durables[Int(durable)].notResent)
        return sessions[number].outgoing.count - notResent + reserved < Int(sessions[number].receiveMaximum)
    }

    /// Whether nothing of a durable session's entry goes out before the store knows it, with its packet identifier.
    private func isOnce(_ entry: UInt32, _ number: Int) -> Bool {
        // A JSON client acknowledges by its TCP, whatever the QoS.
        queues[entry].qos == 2 ? !sessions[number].isJSON : queues[entry].qos == 1 && isNumbered(number)
    }

    /// Gives an entry a packet identifier. At QoS 2 a durable session's is on disk before it is used.
    private mutating func assign(_ entry: UInt32, _ number: Int) -> Bool {
        guard hasQuota(number) else { return false }
        let isOnce = isOnce(entry, number)
        let stage: PacketWindow.Stage = isOnce && queues[entry].qos == 2 ? .receipt : .acknowledgement
        let identifier =
            queues[entry].sequence == 0
            ? sessions[number].outgoing.assign(stage, entry: queues[entry].isKept ? entry : noEntry)
            : sessions[number].outgoing.assign(stage, entry: entry, origin: queues[entry].origin)
        queues[entry].packetIdentifier = identifier
        guard isOnce, queues[entry].sequence != 0 else { return true }
        queues[entry].flags.insert(.awaitsCommit)
        if queues[entry].flags.contains(.written) {
            identify(entry)
        } else {
            write(entry)
        }
        if waitsForDisk {
            // For itself: the message may have been handed to the store before, and be there earlier.
            waitForCommit(.identified(entry, session: queues[entry].session, sequence: queues[entry].sequence))
        } else {
            queues[entry].flags.remove(.awaitsCommit)
        }
        return true
    }

    /// Tells the store the identifier and the stage of an entry that it has.
    mutating func identify(_ entry: UInt32) {
        queues[entry].flags.insert(.identified)
        log.assign(
            queues[entry].session, queues[entry].sequence, packetIdentifier: queues[entry].packetIdentifier,
            stage: queues[entry].flags.contains(.received) ? 1 : 0,
            flags: queues[entry].lastingFlags)
    }

    /// Lets the QoS 2 messages, and those for a cluster, behind one that waits for the store go to the store with it, as far as what comes before them
    /// leaves room: else that would wait for them, and they for it.
    private mutating func assignAhead(_ number: Int) {
        var entry = sessions[number].queue.cursor
        var reserved = 0
        while entry != noEntry, hasQuota(number, reserved: reserved) {
            if isOnce(entry, number), queues[entry].packetIdentifier == 0 {
                guard assign(entry, number) else { return }
            } else if queues[entry].qos > 0, queues[entry].packetIdentifier == 0 || queues[entry].flags.contains(.sent)
            {
                reserved += 1
            }
            entry = queues[entry].next
        }
    }

    /// A Deliver frame for one session.
    private mutating func send(_ entry: UInt32, _ number: Int, _ link: Int) {
        let message = queues.messages[queues[entry].message]
        let bytes = queues.messages.bytes(of: queues[entry].message)
        let own = queues.identifiers(of: entry)
        if own.isEmpty {
            open(link, message, bytes, own: 0)
        } else {
            let together = bytes.array + own
            open(link, message, together.span.raw, own: own.count)
        }
        let level = sessions[number].isJSON ? min(queues[entry].qos, 1) : queues[entry].qos
        appendRecipient(
            number, link, level, queues[entry].flags.contains(.retain),
            identifier: queues[entry].packetIdentifier, duplicate: queues[entry].flags.contains(.sent))
        closeDeliveries()
        advance(entry, number)
        queues[entry].flags.insert(.sent)
        if !queues[entry].isKept { queues.remove(entry, from: &sessions[number].queue) }
    }

    /// - Parameter own: bytes of properties that were added for the session.
    private mutating func open(_ link: Int, _ message: KeptMessage, _ bytes: RawSpan, own: Int) {
        let outgoing = Outgoing(
            bytes, topicLength: Int(message.topicLength), propertiesLength: Int(message.propertiesLength) + own, qos: 0,
            retain: false)
        openDelivery(link, outgoing)
        if message.expiresAt != 0 { patchExpiry(link, outgoing, message.expiresAt) }
    }

    /// The cursor goes on behind an entry that was sent.
    private mutating func advance(_ entry: UInt32, _ number: Int) {
        sessions[number].queue.cursor = queues[entry].next
        delist(entry)
    }
}
