// Hands one message to one session: into the open Deliver frame of its link, or into its queue.

import EventLoop
import MQTT
import Messages

extension Router {
    /// Delivers to the session of one row of a match.
    ///
    /// - Parameter stored: the message's number once a queue has needed it, shared by all rows of the match.
    @inline(__always)
    mutating func deliver(
        _ row: Recipient, _ message: RawSpan, topicLength: Int, propertiesLength: Int, qos: UInt8, retain: Bool,
        publisher: Int, stored: inout UInt32?
    ) {
        let number = Int(row.session)
        var granted = row.qos
        if number == publisher {
            // [MQTT-3.8.3-3]; where another subscription of its own has no such wish, that one's QoS holds.
            if row.isNoLocal { return }
            granted = row.ownQoS
        }
        let isRetained = retain && row.isRetainAsPublished
        let effective = min(qos, granted)
        let link = Int(sessions[number].link)
        guard row.identifiers == 0, canTake(number, link, effective) else {
            return deliverSlowly(
                row, message, topicLength: topicLength, propertiesLength: propertiesLength, qos: effective,
                retain: isRetained, isOwn: number == publisher, stored: &stored)
        }
        if links[link].delivery < 0 {
            openDelivery(link, message, topicLength: topicLength, propertiesLength: propertiesLength)
        }
        appendRecipient(number, link, effective, isRetained)
    }

    /// Whether a message can go to the session at once: nothing waits before it, and there is room all the way.
    @inline(__always)
    func canTake(_ number: Int, _ link: Int, _ qos: UInt8) -> Bool {
        sessions[number].queue.isEmpty && !sessions[number].flags.contains(.congested) && links[link].hasRoom
            && (qos == 0 || sessions[number].outgoing.count < Int(sessions[number].receiveMaximum))
    }

    /// Begins the Deliver frame of a message on a link; recipients follow.
    @inline(__always)
    mutating func openDelivery(_ link: Int, _ message: RawSpan, topicLength: Int, propertiesLength: Int) {
        let length = DeliverFrame.byteCount(messageLength: message.byteCount, recipientCount: 0)
        var span = links[link].append(length)
        // The last word first: the padding up to it is zero, or part of the message copied over it.
        span.store(UInt64(0), at: length &- 8)
        span.copy(message, at: DeliverFrame.headByteCount)
        DeliverFrame.writeHead(
            to: &span, topicLength: topicLength,
            payloadLength: message.byteCount &- topicLength &- propertiesLength, propertiesLength: propertiesLength,
            recipientCount: 0)
        links[link].delivery = links[link].outputEnd &- length
        links[link].recipients = 0
        links[link].isTouched = true
        links[link].nextOpenDelivery = openDelivery
        openDelivery = link
    }

    @inline(__always)
    mutating func appendRecipient(_ number: Int, _ link: Int, _ qos: UInt8, _ retain: Bool) {
        var identifier: UInt16 = 0
        var level = qos
        if qos > 0 {
            // A JSON client acknowledges by its TCP, whatever the QoS.
            if sessions[number].isJSON { level = 1 }
            identifier = sessions[number].outgoing.assign(level == 1 ? .acknowledgement : .receipt)
        }
        let entry = SlotEntry(
            recipient: sessions[number].slot, generation: sessions[number].generation, packetIdentifier: identifier,
            qos: level, retain: retain, duplicate: false)
        var span = links[link].append(SlotEntry.byteCount)
        span.store(entry.word, at: 0)
        links[link].recipients &+= 1
        counters[RouterCounter.messagesDelivered.rawValue] &+= 1
    }

    /// Completes the Deliver frames of a message.
    @inline(__always)
    mutating func closeDeliveries() {
        while openDelivery >= 0 {
            let link = openDelivery
            let start = links[link].delivery
            let length = links[link].outputEnd &- start
            var head = links[link].output.mutableSpan(start, 16)
            head.store(FrameHead.word(length: length, type: .deliver), at: 0)
            head.store(UInt32(truncatingIfNeeded: links[link].recipients), at: 8)
            links[link].delivery = -1
            openDelivery = links[link].nextOpenDelivery
        }
    }

    /// With subscription identifiers, which only this session's copy carries; or into the queue.
    @inline(never)
    private mutating func deliverSlowly(
        _ row: Recipient, _ message: RawSpan, topicLength: Int, propertiesLength: Int, qos: UInt8, retain: Bool,
        isOwn: Bool, stored: inout UInt32?
    ) {
        let number = Int(row.session)
        if stored == nil {
            stored = queues.store(message.array, topicLength: topicLength, propertiesLength: propertiesLength)
        }
        guard let stored else { return }
        let entry = QueueEntry(
            message: stored, qos: qos, retain: retain,
            identifiers: encodedIdentifiers(row, sessions[number].version, isOwn: isOwn))
        enqueue(number, entry)
        // A frame of its own for this session may not lie within an open one: its turn comes at the flush.
        wait(number)
    }

    /// The subscription identifiers of a row as properties.
    ///
    /// - Parameter isOwn: the message is the session's own, and comes by those subscriptions only that are not No Local.
    private func encodedIdentifiers(_ row: Recipient, _ version: UInt8, isOwn: Bool) -> [UInt8] {
        guard row.identifiers != 0, version == ProtocolVersion.v5.rawValue else { return [] }
        var bytes: [UInt8] = []
        var cursor = row.identifiers
        while let identifier = tree.identifier(after: &cursor) {
            let isNoLocal = identifier >> 31 == 1
            if isOwn, isNoLocal { continue }
            bytes.append(0x0B)
            VariableByteInteger.append(Int(identifier & 0x0FFF_FFFF), to: &bytes)
        }
        return bytes
    }
}
