// The path of a message: from a PUBLISH frame to the Deliver frames of everyone whose subscription matches.

import MQTT
import Messages

extension Router {
    /// Handles a PUBLISH frame at `offset` of `bytes`.
    @inline(__always)
    mutating func handlePublish(
        _ link: Int, _ bytes: RawSpan, _ offset: Int, _ header: FrameHead
    ) throws(FrameError) {
        let frame = try PublishFrame(bytes, at: offset, header)
        // A publisher that was taken over or kicked meanwhile has no session any more.
        guard let publisher = session(link, frame.slot, frame.generation) else { return }
        let message = bytes.extracting(
            (offset &+ PublishFrame.headByteCount)..<(offset &+ PublishFrame.headByteCount &+ frame.messageLength))
        count(.messagesPublished)
        if frame.qos == 2, !sessions[publisher].isJSON {
            guard receiveExactlyOnce(link, publisher, frame) else { return }
        }
        if frame.retain {
            guard retain(link, publisher, frame, message) else { return }
        }
        route(message, frame, publisher)
        if frame.packetIdentifier != 0 { acknowledgePublish(link, publisher, frame) }
    }

    /// The session in a slot, if it is that of the connection with this generation.
    @inline(__always)
    func session(_ link: Int, _ slot: UInt32, _ generation: UInt32) -> Int? {
        guard Int(slot) < links[link].slots.count else { return nil }
        let number = Int(links[link].slots[Int(slot)]) &- 1
        guard number >= 0, sessions[number].generation == generation else { return nil }
        return number
    }

    /// Notes a QoS 2 message's identifier.
    /// - Returns: false for a repetition, which is answered but not routed again [MQTT-4.3.3-2], and for one too many.
    private mutating func receiveExactlyOnce(_ link: Int, _ publisher: Int, _ frame: PublishFrame) -> Bool {
        if sessions[publisher].incoming.contains(frame.packetIdentifier) {
            acknowledgePublish(link, publisher, frame)
            return false
        }
        guard sessions[publisher].incoming.count < Int(settings.inFlight) else {
            dismiss(publisher, .receiveMaximumExceeded)
            return false
        }
        sessions[publisher].incoming.insert(frame.packetIdentifier, .release)
        return true
    }

    /// PUBACK or PUBREC for a message that was handed on.
    @inline(__always)
    private mutating func acknowledgePublish(_ link: Int, _ publisher: Int, _ frame: PublishFrame) {
        let isReceipt = frame.qos == 2 && !sessions[publisher].isJSON
        let entry = SlotEntry(
            acknowledgement: isReceipt ? PacketType.pubrec.rawValue : PacketType.puback.rawValue, slot: frame.slot,
            generation: frame.generation, packetIdentifier: frame.packetIdentifier)
        if sessions[publisher].isJSON {
            // A JSON client's answers come in the order of its requests, so this one may not wait for the batch's end.
            var span = links[link].append(FrameHead.byteCount + SlotEntry.byteCount)
            span.store(FrameHead.word(length: FrameHead.byteCount + SlotEntry.byteCount, type: .acknowledge), at: 0)
            span.store(entry.word, at: FrameHead.byteCount)
        } else {
            links[link].acknowledge(entry)
        }
    }

    /// Hands a message to every session whose subscriptions match.
    @inline(__always)
    private mutating func route(_ message: RawSpan, _ frame: PublishFrame, _ publisher: Int) {
        let rows = tree.match(message.extracting(0..<frame.topicLength).octets)
        if rows.count == 0 { return }
        var stored: UInt32?
        for row in rows.indices {
            deliver(
                tree[row], message, topicLength: frame.topicLength, propertiesLength: frame.propertiesLength,
                qos: frame.qos, retain: frame.retain, publisher: publisher, stored: &stored)
        }
        finishRoute(stored)
    }

    /// Completes what a message has begun.
    @inline(__always)
    private mutating func finishRoute(_ stored: UInt32?) {
        closeDeliveries()
        if let stored { queues.release(stored) }
        // Ending a session changes the tree, so it waits until the rows of the match are done with.
        while let number = condemned.popLast() { dismiss(number, .quotaExceeded) }
    }

    /// Publishes a message that comes from no PUBLISH packet: a will.
    mutating func publish(_ will: ConnectFrame.Will) {
        let bytes = will.topic + will.payload + will.properties
        if will.retain { _ = store(bytes.span.raw, will.topic.count, will.properties.count, will.qos) }
        let rows = tree.match(will.topic.span)
        var stored: UInt32?
        for row in rows.indices {
            deliver(
                tree[row], bytes.span.raw, topicLength: will.topic.count,
                propertiesLength: will.properties.count, qos: will.qos, retain: will.retain, publisher: -1,
                stored: &stored)
        }
        finishRoute(stored)
    }
}
