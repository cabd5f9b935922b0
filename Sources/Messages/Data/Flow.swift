// Frames that keep a channel in balance.

/// Bytes that the router sends a listener ahead of its `Consumed`. Both sides build on it: the router holds back beyond
/// it, and the listener's arena has room for that much.
@inlinable package var deliveryWindow: UInt64 { 4 << 20 }

/// Heads the router's output of one turn.
///
/// Layout behind the header: u64 bytes of the frames that follow, u64 the offset in the listener's stream up to which the
/// router had handled everything when it wrote them, u64 the offset below which the listener may forget its frames. The
/// first gives back credit, and tells a later router what was answered; what stands below the second is safe, whatever
/// dies.
@usableFromInline
package enum BatchFrame {
    @inlinable package static var byteCount: Int { 32 }

    @inlinable
    package static func write(to span: inout MutableRawSpan, length: Int, answers: UInt64, released: UInt64) {
        span.store(FrameHead.word(length: byteCount, type: .batch), at: 0)
        span.store(UInt64(truncatingIfNeeded: length), at: 8)
        span.store(answers, at: 16)
        span.store(released, at: 24)
    }

    /// The offset below which the listener may forget its frames, of a header that `read` has accepted.
    @inlinable
    package static func released(_ bytes: RawSpan, at offset: Int) -> UInt64 { bytes.load64(at: offset &+ 24) }

    /// Reads the batch header at `offset`; nil while it is not whole.
    @inlinable
    package static func read(_ bytes: RawSpan, at offset: Int) throws(FrameError) -> (length: Int, answers: UInt64)? {
        guard let header = try FrameHead.read(bytes, at: offset) else { return nil }
        guard header.type == .batch, header.length == byteCount else {
            throw FrameError("a frame outside of a batch")
        }
        guard bytes.byteCount &- offset >= byteCount else { return nil }
        let length = bytes.load64(at: offset &+ 8)
        guard length <= UInt64(FrameHead.largestFrame) else { throw FrameError("batch length out of range") }
        return (Int(length), bytes.load64(at: offset &+ 16))
    }
}

/// The listener has applied the router's stream up to `offset`: credit for as many more bytes.
package struct ConsumedFrame: Frame, Equatable {
    package static let type = FrameType.consumed
    package var offset: UInt64
    package init(offset: UInt64) { self.offset = offset }
    package func write(to writer: inout FrameWriter) { writer.integer(offset) }
    package init(from reader: inout FrameReader) throws(FrameError) { offset = try reader.integer() }
}

/// A connection's output has passed its limit (`congested`), or has drained: the router queues for its session
/// meanwhile.
package struct CongestionFrame: Frame, Equatable {
    package static let type = FrameType.congestion
    package var slot: UInt32
    package var generation: UInt32
    package var congested: Bool

    package init(slot: UInt32, generation: UInt32, congested: Bool) {
        self.slot = slot
        self.generation = generation
        self.congested = congested
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(slot)
        writer.integer(generation)
        writer.boolean(congested)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        slot = try reader.integer()
        generation = try reader.integer()
        congested = try reader.boolean()
    }
}

/// A PUBLISH or PUBREL that is answered with a reason other than success (MQTT 5); router → listener. For MQTT 3.1.1
/// the listener answers as that version can.
package struct RefusalFrame: Frame, Equatable {
    package static let type = FrameType.refusal
    package var slot: UInt32
    package var generation: UInt32
    /// The answer's packet type: 4 PUBACK, 5 PUBREC, 6 PUBREL, 7 PUBCOMP.
    package var kind: UInt8
    package var packetIdentifier: UInt16
    package var reasonCode: UInt8

    package init(slot: UInt32, generation: UInt32, kind: UInt8, packetIdentifier: UInt16, reasonCode: UInt8) {
        self.slot = slot
        self.generation = generation
        self.kind = kind
        self.packetIdentifier = packetIdentifier
        self.reasonCode = reasonCode
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(slot)
        writer.integer(generation)
        writer.integer(kind)
        writer.integer(packetIdentifier)
        writer.integer(reasonCode)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        slot = try reader.integer()
        generation = try reader.integer()
        kind = try reader.integer()
        packetIdentifier = try reader.integer()
        reasonCode = try reader.integer()
    }
}
