// The path of a message from the router to its receivers: encoded for each as its protocol wants it, behind what it
// already has to send.

import Arena
import CArena
import Connection
import MQTT
import Messages
import WebSocket

extension Listener {
    /// Applies a Deliver frame.
    @inline(__always)
    mutating func deliver(
        _ bytes: RawSpan, at offset: Int, _ header: FrameHead, _ tally: inout OutputTally
    ) throws(FrameError) {
        let frame = try DeliverFrame(bytes, at: offset, header)
        json.beginMessage()
        var position = offset &+ frame.recipientsOffset
        for _ in 0..<frame.recipientCount {
            let recipient = SlotEntry(word: bytes.load64(at: position))
            position &+= SlotEntry.byteCount
            let slot = Int(recipient.slot)
            guard slot < arena.slotCount else { throw FrameError("a delivery to a slot that does not exist") }
            // A recipient that has gone meanwhile, or whose slot has another connection by now.
            guard UInt16(truncatingIfNeeded: arena[slot].generation) == recipient.generation,
                arena[slot].state == ConnectionState.connected.rawValue
            else { continue }
            arena.touch(slot)
            tally.messages &+= 1
            tally.payload &+= frame.payloadLength
            if recipient.qos > 0 {
                arena.delivered(recipient.packetIdentifier, slot: slot, keepsWindow: keepsWindow(slot))
            }
            if arena[slot].flags & SlotFlags.takesAliases != 0 {
                deliverAliased(bytes, offset &+ DeliverFrame.headByteCount, frame, recipient, slot)
            } else if arena[slot].transport == Transport.mqtt.rawValue {
                deliverPacket(bytes, offset &+ DeliverFrame.headByteCount, frame, recipient, slot)
            } else {
                deliverOverWebSocket(bytes, offset &+ DeliverFrame.headByteCount, frame, recipient, slot)
            }
            markDirty(slot)
        }
    }

    /// Appends a PUBLISH packet to the output.
    @inline(__always)
    private mutating func deliverPacket(
        _ bytes: RawSpan, _ message: Int, _ frame: DeliverFrame, _ recipient: SlotEntry, _ slot: Int
    ) {
        let shape = PublishShape(frame, qos: recipient.qos, version: arena[slot].version)
        guard shape.fits(arena[cold: slot].maximum_packet_size) else { return refuseDelivery(recipient, slot) }
        guard var span = arena.appendOutput(slot, shape.packetLength) else { return exhausted(slot) }
        shape.write(to: &span, at: 0, bytes, message, frame, recipient)
    }

    @inline(never)
    private mutating func deliverOverWebSocket(
        _ bytes: RawSpan, _ message: Int, _ frame: DeliverFrame, _ recipient: SlotEntry, _ slot: Int
    ) {
        if arena[slot].transport == Transport.webSocketJSON.rawValue {
            return deliverJSON(bytes, message, frame, recipient, slot)
        }
        let shape = PublishShape(frame, qos: recipient.qos, version: arena[slot].version)
        guard shape.fits(arena[cold: slot].maximum_packet_size) else { return refuseDelivery(recipient, slot) }
        let headLength = FrameHeader.encodedLength(payload: shape.packetLength)
        guard var span = arena.appendOutput(slot, headLength + shape.packetLength) else { return exhausted(slot) }
        let start = FrameHeader.write(opcode: .binary, length: shape.packetLength, to: &span, at: 0)
        shape.write(to: &span, at: start, bytes, message, frame, recipient)
    }

    /// As the two above, for an MQTT 5 client that takes topic aliases: the first message of a topic gives it an alias if
    /// there is one left, later ones have the alias in place of the topic.
    @inline(never)
    private mutating func deliverAliased(
        _ bytes: RawSpan, _ message: Int, _ frame: DeliverFrame, _ recipient: SlotEntry, _ slot: Int
    ) {
        let maximum = arena[cold: slot].maximum_packet_size
        let topic = bytes.extracting(message..<(message + frame.topicLength))
        var alias = arena.givenAlias(topic, slot: slot)
        let isKnown = alias != 0
        if !isKnown, let next = arena.nextAlias(topic, slot: slot),
            PublishShape(frame, qos: recipient.qos, version: arena[slot].version, alias: next.alias).fits(maximum),
            arena.giveAlias(topic, at: next.position, slot: slot)
        {
            alias = next.alias
        }
        let shape = PublishShape(
            frame, qos: recipient.qos, version: arena[slot].version, alias: alias, omitsTopic: isKnown)
        guard shape.fits(maximum) else { return refuseDelivery(recipient, slot) }
        let isFramed = arena[slot].transport != Transport.mqtt.rawValue
        let headLength = isFramed ? FrameHeader.encodedLength(payload: shape.packetLength) : 0
        guard var span = arena.appendOutput(slot, headLength + shape.packetLength) else { return exhausted(slot) }
        if isFramed { _ = FrameHeader.write(opcode: .binary, length: shape.packetLength, to: &span, at: 0) }
        shape.write(to: &span, at: headLength, bytes, message, frame, recipient)
    }

    /// The message is larger than the client takes: it counts as delivered [MQTT-3.1.2-25].
    @inline(never)
    private mutating func refuseDelivery(_ recipient: SlotEntry, _ slot: Int) {
        count(.messagesDropped)
        guard recipient.qos > 0 else { return }
        arena.settled(recipient.packetIdentifier, slot: slot, keepsWindow: keepsWindow(slot))
        appendAcknowledgement(
            kind: recipient.qos == 1 ? PacketType.puback.rawValue : PacketType.pubrec.rawValue | 8, slot,
            recipient.packetIdentifier)
    }

    /// No memory is left for a connection's output: that connection ends, the others live.
    @inline(never)
    mutating func exhausted(_ slot: Int) {
        count(.arenaExhausted)
        count(.messagesDropped)
        close(
            slot, .quotaExceeded, tellClient: false,
            detail: "the listener's buffers are used up; see limits.memory")
    }
}

/// The lengths of a PUBLISH packet for one receiver, and how it is written.
struct PublishShape {
    let remainingLength: Int
    let packetLength: Int
    private let isVersion5: Bool
    private let qos: UInt8
    private let topicLength: Int
    private let alias: UInt16

    /// - Parameters:
    ///   - alias: of the topic, MQTT 5 only; 0 for none.
    ///   - omitsTopic: the client knows what the alias stands for.
    @inline(__always)
    init(_ frame: DeliverFrame, qos: UInt8, version: UInt8, alias: UInt16 = 0, omitsTopic: Bool = false) {
        isVersion5 = version == ProtocolVersion.v5.rawValue
        self.qos = qos
        self.alias = alias
        topicLength = omitsTopic ? 0 : frame.topicLength
        var length = 2 &+ topicLength &+ frame.payloadLength &+ (qos > 0 ? 2 : 0)
        if isVersion5 {
            let properties = frame.propertiesLength &+ (alias == 0 ? 0 : 3)
            length &+= VariableByteInteger.encodedLength(properties) &+ properties
        }
        remainingLength = length
        packetLength = 1 &+ VariableByteInteger.encodedLength(length) &+ length
    }

    @inline(__always)
    func fits(_ maximum: UInt32) -> Bool { maximum == 0 || packetLength <= Int(maximum) }

    /// Writes the packet; `message` is where the topic begins in `bytes`, with payload and properties behind it.
    @inline(__always)
    func write(
        to span: inout MutableRawSpan, at start: Int, _ bytes: RawSpan, _ message: Int, _ frame: DeliverFrame,
        _ recipient: SlotEntry
    ) {
        let first = 0x30 | qos << 1 | (recipient.retain ? 1 : 0) | (recipient.duplicate ? 8 : 0)
        span.store(first, at: start)
        var position = VariableByteInteger.write(remainingLength, to: &span, at: start &+ 1)
        span.store(UInt16(truncatingIfNeeded: topicLength).byteSwapped, at: position)
        position &+= 2
        if qos == 0, !isVersion5 {
            // Topic and payload lie side by side in the frame as they do in this packet.
            span.copy(bytes.extracting(unchecked(message, frame.topicLength &+ frame.payloadLength)), at: position)
            return
        }
        span.copy(bytes.extracting(unchecked(message, topicLength)), at: position)
        position &+= topicLength
        if qos > 0 {
            span.store(recipient.packetIdentifier.byteSwapped, at: position)
            position &+= 2
        }
        if isVersion5 {
            let length = frame.propertiesLength &+ (alias == 0 ? 0 : 3)
            position = VariableByteInteger.write(length, to: &span, at: position)
            if alias != 0 {
                span.store(UInt8(0x23), at: position)
                span.store(alias.byteSwapped, at: position &+ 1)
                position &+= 3
            }
            let properties = message &+ frame.topicLength &+ frame.payloadLength
            span.copy(bytes.extracting(unchecked(properties, frame.propertiesLength)), at: position)
            position &+= frame.propertiesLength
        }
        span.copy(bytes.extracting(unchecked(message &+ frame.topicLength, frame.payloadLength)), at: position)
    }

    @inline(__always)
    private func unchecked(_ start: Int, _ count: Int) -> Range<Int> { start..<(start &+ count) }
}
