// The frame: what every message between two workers is made of.
//
// Layout, little-endian: u32 length of the whole frame, u8 type, u8 flags, u16 layout, then the fields
// that the type documents. Decoders fail unless they end exactly at the frame's end. A malformed frame is the fault
// of its sender: the receiver cuts that channel, reports it to the supervisor, and lives.

/// The type of a frame; its family is named by the upper half of the byte.
@usableFromInline
package enum FrameType: UInt8, Sendable {
    // Control, from the supervisor (0x0_) and to it (0x1_).
    case welcome = 0x01
    case listenerSettings = 0x02
    case routerSettings = 0x03
    case channelOffer = 0x04
    case arenaOffer = 0x05
    case accepted = 0x06
    case ping = 0x07
    case stop = 0x08
    case peerGone = 0x09
    case query = 0x0A
    case takeOver = 0x0B
    case retire = 0x0C
    case streamQuestion = 0x0D
    case streamGo = 0x0E
    case released = 0x0F

    case ready = 0x11
    case pong = 0x12
    case closed = 0x13
    case stopped = 0x14
    case answer = 0x15
    case fault = 0x16
    case prepared = 0x17
    case retired = 0x18
    case streamAnswer = 0x19
    case held = 0x1A
    case adopted = 0x1B

    // Data, from a listener to the router (0x2_), from the router to a listener (0x3_), both ways (0x4_).
    case connect = 0x21
    case publish = 0x22
    case subscribe = 0x23
    case unsubscribe = 0x24
    case disconnected = 0x25
    case congestion = 0x26
    case consumed = 0x27
    case resume = 0x28
    case resumeEnd = 0x29

    case batch = 0x31
    case connack = 0x32
    case deliver = 0x33
    case suback = 0x34
    case unsuback = 0x35
    case dismiss = 0x36
    case refusal = 0x37
    case marks = 0x38
    case deferred = 0x39
    case completed = 0x3A
    case note = 0x3B
    case interests = 0x3C

    case hello = 0x41
    case acknowledge = 0x42

    // From one supervisor to the next, and to the workers that it takes over (0x5_).
    case adopt = 0x51
    case estate = 0x52

    // From the supervisor to the bridge, and back (0x6_).
    case bridgeSettings = 0x61
    case bridgeState = 0x62
    case bridgeWaiting = 0x63

    // From the supervisor to auth, and back; between listeners and auth (0x7_).
    case authSettings = 0x71
    case authState = 0x72
    case authRequest = 0x73
    case authForget = 0x74
    case authAnswer = 0x75
}

/// Why a frame was refused. `what` says which rule it broke.
@usableFromInline
package struct FrameError: Error, Equatable, CustomStringConvertible {
    @usableFromInline package let what: StaticString
    @inlinable package init(_ what: StaticString) { self.what = what }
    @usableFromInline
    package static func == (a: FrameError, b: FrameError) -> Bool { a.description == b.description }
    @usableFromInline package var description: String { what.description }
}

/// The eight bytes that open every frame.
@usableFromInline
package struct FrameHead: Equatable, Sendable {
    /// Bytes of the header.
    @inlinable package static var byteCount: Int { 8 }
    /// No frame is longer: a PUBLISH of 256 MiB and its envelope.
    @inlinable package static var largestFrame: Int { 257 << 20 }
    /// Where in it the flags stand.
    @inlinable package static var flagsOffset: Int { 5 }
    /// The flag of a frame that a listener repeats to a new router: its answer had not come, though a batch had
    /// answered the stream beyond it.
    @inlinable package static var deferred: UInt8 { 0x80 }

    @usableFromInline package let length: Int
    @usableFromInline package let type: FrameType
    @usableFromInline package let flags: UInt8

    @inlinable
    package init(length: Int, type: FrameType, flags: UInt8 = 0) {
        self.length = length
        self.type = type
        self.flags = flags
    }

    /// Reads the header at `offset`; `nil` while fewer than eight bytes are there.
    @inlinable
    @inline(__always)
    package static func read(_ bytes: RawSpan, at offset: Int) throws(FrameError) -> FrameHead? {
        guard bytes.byteCount &- offset >= byteCount else { return nil }
        let word = bytes.load64(at: offset)
        let length = Int(truncatingIfNeeded: word & 0xFFFF_FFFF)
        guard Layout.isKnown(UInt16(truncatingIfNeeded: word >> 48)) else { throw FrameError("an unknown layout") }
        guard let type = FrameType(rawValue: UInt8(truncatingIfNeeded: word >> 32)) else {
            throw FrameError("unknown frame type")
        }
        guard length >= byteCount, length <= largestFrame else { throw FrameError("frame length out of range") }
        return FrameHead(length: length, type: type, flags: UInt8(truncatingIfNeeded: word >> 40))
    }

    /// The header as one integer, to be stored at the frame's start.
    @inlinable
    @inline(__always)
    package static func word(length: Int, type: FrameType, flags: UInt8 = 0) -> UInt64 {
        UInt64(truncatingIfNeeded: length) | UInt64(type.rawValue) << 32 | UInt64(flags) << 40
            | UInt64(Layout.inForce) << 48
    }
}
