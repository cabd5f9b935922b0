// The three frames on the path of a message: Publish, Deliver, Acknowledge. They are written and read by hand, a few
// integers each; what they carry is copied once. The module's tests hold the layouts.

/// A PUBLISH on its way from a listener to the router.
///
/// Layout behind the header: u32 slot, u16 packet identifier, u16 topic length, u32 properties' length, u32 generation,
/// then topic, payload and properties (encoded as in MQTT 5, without their length). The frame's flags are those of the
/// MQTT header: bit 0 retain, bits 1 and 2 QoS, bit 3 duplicate; bit 4 says that the payload is not the text that its
/// publisher calls it, bit 5 that a `MessageOrigin` stands behind the properties and is counted with them.
@usableFromInline
package struct PublishFrame {
    /// Bytes before the topic.
    @inlinable package static var headByteCount: Int { 24 }
    /// The bit of `isPayloadInvalid`.
    @inlinable package static var payloadInvalid: UInt8 { 0x10 }
    /// The bit of `hasOrigin`.
    @inlinable package static var origin: UInt8 { 0x20 }
    /// The bit of `isKeptElsewhere`.
    @inlinable package static var keptElsewhere: UInt8 { 0x40 }

    @usableFromInline package let slot: UInt32
    @usableFromInline package let generation: UInt32
    @usableFromInline package let packetIdentifier: UInt16
    @usableFromInline package let flags: UInt8
    @usableFromInline package let topicLength: Int
    @usableFromInline package let propertiesLength: Int
    /// Topic, payload and properties together.
    @usableFromInline package let messageLength: Int

    @inlinable package var qos: UInt8 { flags >> 1 & 3 }
    @inlinable package var retain: Bool { flags & 1 != 0 }
    /// The payload format indicator is 1, but the payload is not UTF-8: to be answered with 0x99 in its turn, and
    /// delivered to nobody.
    @inlinable package var isPayloadInvalid: Bool { flags & Self.payloadInvalid != 0 }
    /// The bridge's, of a message of another broker of the cluster.
    @inlinable package var hasOrigin: Bool { flags & Self.origin != 0 }
    /// The bridge's: it is retained by another broker of the cluster, which tells so by itself.
    @inlinable package var isKeptElsewhere: Bool { flags & Self.keptElsewhere != 0 }
    @inlinable package var payloadLength: Int { messageLength &- topicLength &- propertiesLength }

    /// Writes the head; the caller copies topic, payload and properties behind it.
    @inlinable @inline(__always)
    package static func writeHead(
        to span: inout MutableRawSpan, slot: UInt32, generation: UInt32, packetIdentifier: UInt16, flags: UInt8,
        topicLength: Int, payloadLength: Int, propertiesLength: Int
    ) {
        let length = headByteCount &+ topicLength &+ payloadLength &+ propertiesLength
        span.store(FrameHead.word(length: length, type: .publish, flags: flags), at: 0)
        span.store(
            UInt64(slot) | UInt64(packetIdentifier) << 32 | UInt64(truncatingIfNeeded: topicLength) << 48, at: 8)
        span.store(UInt64(truncatingIfNeeded: propertiesLength) | UInt64(generation) << 32, at: 16)
    }

    /// Reads the head of the frame that begins at `offset` and has `header`.
    @inlinable @inline(__always)
    package init(_ bytes: RawSpan, at offset: Int, _ header: FrameHead) throws(FrameError) {
        guard header.length >= Self.headByteCount else { throw FrameError("PUBLISH frame shorter than its head") }
        let first = bytes.load64(at: offset &+ 8)
        let second = bytes.load64(at: offset &+ 16)
        slot = UInt32(truncatingIfNeeded: first)
        packetIdentifier = UInt16(truncatingIfNeeded: first >> 32)
        topicLength = Int(truncatingIfNeeded: first >> 48)
        propertiesLength = Int(truncatingIfNeeded: second & 0xFFFF_FFFF)
        generation = UInt32(truncatingIfNeeded: second >> 32)
        flags = header.flags
        messageLength = header.length &- Self.headByteCount
        guard topicLength &+ propertiesLength <= messageLength else {
            throw FrameError("PUBLISH frame whose topic and properties exceed it")
        }
    }
}

/// A message on its way from the router to a listener, once, with everyone who gets it.
///
/// Layout behind the header: u32 number of recipients, u16 topic length, u16 0, u32 properties' length, u32 payload
/// length, then topic, payload, properties, zeros up to a multiple of 8, recipients.
@usableFromInline
package struct DeliverFrame {
    @inlinable package static var headByteCount: Int { 24 }

    @usableFromInline package let recipientCount: Int
    @usableFromInline package let topicLength: Int
    @usableFromInline package let propertiesLength: Int
    @usableFromInline package let payloadLength: Int

    @inlinable package var messageLength: Int { topicLength &+ payloadLength &+ propertiesLength }
    /// Where the recipients begin, from the frame's start.
    @inlinable package var recipientsOffset: Int { (Self.headByteCount &+ messageLength &+ 7) & ~7 }

    /// Bytes of a whole frame.
    @inlinable @inline(__always)
    package static func byteCount(messageLength: Int, recipientCount: Int) -> Int {
        ((headByteCount &+ messageLength &+ 7) & ~7) &+ 8 &* recipientCount
    }

    @inlinable @inline(__always)
    package static func writeHead(
        to span: inout MutableRawSpan, topicLength: Int, payloadLength: Int, propertiesLength: Int, recipientCount: Int
    ) {
        let messageLength = topicLength &+ payloadLength &+ propertiesLength
        let length = byteCount(messageLength: messageLength, recipientCount: recipientCount)
        span.store(FrameHead.word(length: length, type: .deliver), at: 0)
        span.store(
            UInt64(truncatingIfNeeded: recipientCount) | UInt64(truncatingIfNeeded: topicLength) << 32, at: 8)
        span.store(
            UInt64(truncatingIfNeeded: propertiesLength) | UInt64(truncatingIfNeeded: payloadLength) << 32, at: 16)
    }

    @inlinable @inline(__always)
    package init(_ bytes: RawSpan, at offset: Int, _ header: FrameHead) throws(FrameError) {
        guard header.length >= Self.headByteCount else { throw FrameError("Deliver frame shorter than its head") }
        let first = bytes.load64(at: offset &+ 8)
        let second = bytes.load64(at: offset &+ 16)
        recipientCount = Int(truncatingIfNeeded: first & 0xFFFF_FFFF)
        topicLength = Int(truncatingIfNeeded: first >> 32 & 0xFFFF)
        propertiesLength = Int(truncatingIfNeeded: second & 0xFFFF_FFFF)
        payloadLength = Int(truncatingIfNeeded: second >> 32)
        let messageLength = topicLength &+ payloadLength &+ propertiesLength
        guard header.length == Self.byteCount(messageLength: messageLength, recipientCount: recipientCount) else {
            throw FrameError("Deliver frame whose parts do not make up its length")
        }
    }
}

/// A slot, a packet identifier and four bits in eight bytes: a recipient of a Deliver frame, or one acknowledgement of
/// an Acknowledge frame.
///
/// u32 slot in bits 0...27 and `bits` above, u16 generation (its lower half), u16 packet identifier.
@usableFromInline
package struct SlotEntry: Equatable, Sendable {
    @inlinable package static var byteCount: Int { 8 }
    /// Slots that an entry can name.
    @inlinable package static var slotLimit: UInt32 { 1 << 28 }

    @usableFromInline package let word: UInt64

    @inlinable @inline(__always)
    package init(word: UInt64) { self.word = word }

    @inlinable @inline(__always)
    init(slot: UInt32, generation: UInt32, packetIdentifier: UInt16, bits: UInt8) {
        word =
            UInt64(slot) | UInt64(bits) << 28 | UInt64(generation & 0xFFFF) << 32 | UInt64(packetIdentifier) << 48
    }

    /// A recipient: QoS in bits 0 and 1, retain in bit 2, duplicate in bit 3.
    @inlinable @inline(__always)
    package init(
        recipient slot: UInt32, generation: UInt32, packetIdentifier: UInt16, qos: UInt8, retain: Bool, duplicate: Bool
    ) {
        self.init(
            slot: slot, generation: generation, packetIdentifier: packetIdentifier,
            bits: qos | (retain ? 4 : 0) | (duplicate ? 8 : 0))
    }

    /// An acknowledgement: the MQTT packet type (4 PUBACK, 5 PUBREC, 6 PUBREL, 7 PUBCOMP), with 8 added where an MQTT 5
    /// peer gave a reason of 0x80 or above.
    @inlinable @inline(__always)
    package init(acknowledgement kind: UInt8, slot: UInt32, generation: UInt32, packetIdentifier: UInt16) {
        self.init(slot: slot, generation: generation, packetIdentifier: packetIdentifier, bits: kind)
    }

    @inlinable package var slot: UInt32 { UInt32(truncatingIfNeeded: word) & 0x0FFF_FFFF }
    @inlinable package var generation: UInt16 { UInt16(truncatingIfNeeded: word >> 32) }
    @inlinable package var packetIdentifier: UInt16 { UInt16(truncatingIfNeeded: word >> 48) }
    @inlinable package var qos: UInt8 { UInt8(truncatingIfNeeded: word >> 28) & 3 }
    @inlinable package var retain: Bool { word & (4 << 28) != 0 }
    @inlinable package var duplicate: Bool { word & (8 << 28) != 0 }
    @inlinable package var kind: UInt8 { UInt8(truncatingIfNeeded: word >> 28) & 15 }
}
