// Reads the header of a client's frame (RFC 6455 §5.2). Called by the listener for every frame, so all of it is
// inlined but the refusals. Nothing is fatal: a bad header is a `WebSocketError`, a partial one is nil.

/// What a frame is (RFC 6455 §11.8). Codes without a case are reserved.
package enum Opcode: UInt8, Sendable, BitwiseCopyable {
    case continuation = 0x0
    case text = 0x1
    case binary = 0x2
    case close = 0x8
    case ping = 0x9
    case pong = 0xA

    /// Close, ping and pong, which may stand between the fragments of a message (RFC 6455 §5.5).
    @inlinable @inline(__always)
    package var isControl: Bool { rawValue & 0x8 != 0 }
}

/// The header of one frame from a client.
package struct FrameHeader: Equatable, Sendable, BitwiseCopyable {
    /// Whether this is the last fragment of its message.
    package let isFinal: Bool
    package let opcode: Opcode
    /// The masking key; its lowest byte masks the payload's first.
    package let mask: UInt32
    /// Bytes of the header itself: 6, 8 or 14.
    package let headerLength: Int
    /// Bytes of payload that follow the header: 0 up to the limit that was given.
    package let payloadLength: Int

    @inlinable @inline(__always)
    package init(isFinal: Bool, opcode: Opcode, mask: UInt32, headerLength: Int, payloadLength: Int) {
        self.isFinal = isFinal
        self.opcode = opcode
        self.mask = mask
        self.headerLength = headerLength
        self.payloadLength = payloadLength
    }

    /// Reads the header that begins at `start`.
    ///
    /// - Parameter limit: the longest payload of one frame that is accepted, in bytes.
    /// - Returns: nil while the header is incomplete.
    /// - Throws: 1002 for anything that the protocol forbids, 1009 for a payload above the limit.
    @inlinable @inline(__always)
    package static func read(
        _ bytes: RawSpan, at start: Int, limit: Int
    ) throws(WebSocketError) -> FrameHeader? {
        let available = bytes.byteCount &- start
        guard available >= 2 else { return nil }
        let first = bytes.integer(UInt8.self, at: start)
        let second = bytes.integer(UInt8.self, at: start &+ 1)
        // No extension is negotiated, so RSV1 to RSV3 are 0, and every client masks (RFC 6455 §5.1, §5.2).
        guard first & 0x70 == 0, second & 0x80 != 0, let opcode = Opcode(rawValue: first & 0x0F) else {
            throw badStart(first, second)
        }
        let isFinal = first & 0x80 != 0
        let short = Int(second & 0x7F)
        if opcode.isControl, !isFinal || short > 125 { throw badControl(isFinal: isFinal) }

        var length = short
        var headerLength = 6
        if short == 126 {
            headerLength = 8
            guard available >= headerLength else { return nil }
            length = Int(UInt16(bigEndian: bytes.integer(UInt16.self, at: start &+ 2)))
            if length < 126 { throw notMinimal() }
        } else if short == 127 {
            headerLength = 14
            guard available >= headerLength else { return nil }
            let long = UInt64(bigEndian: bytes.integer(UInt64.self, at: start &+ 2))
            if long <= 0xFFFF || long > UInt64(Int.max) { throw badLong(long) }
            length = Int(truncatingIfNeeded: long)
        } else if available < headerLength {
            return nil
        }
        if length > limit, !opcode.isControl { throw tooLong() }
        let mask = UInt32(littleEndian: bytes.integer(UInt32.self, at: start &+ headerLength &- 4))
        return FrameHeader(
            isFinal: isFinal, opcode: opcode, mask: mask, headerLength: headerLength, payloadLength: length)
    }

    @usableFromInline @inline(never)
    static func badStart(_ first: UInt8, _ second: UInt8) -> WebSocketError {
        if first & 0x70 != 0 {
            return WebSocketError(.protocolError, "a reserved bit is set, but no extension was agreed", "§5.2")
        }
        if second & 0x80 == 0 { return WebSocketError(.protocolError, "a frame is not masked", "§5.1") }
        return WebSocketError(.protocolError, "the frame's opcode is reserved", "§5.2")
    }

    @usableFromInline @inline(never)
    static func badControl(isFinal: Bool) -> WebSocketError {
        if isFinal { return WebSocketError(.protocolError, "a control frame is longer than 125 bytes", "§5.5") }
        return WebSocketError(.protocolError, "a control frame is fragmented", "§5.5")
    }

    @usableFromInline @inline(never)
    static func notMinimal() -> WebSocketError {
        WebSocketError(.protocolError, "a frame's length is not in its shortest form", "§5.2")
    }

    @usableFromInline @inline(never)
    static func badLong(_ length: UInt64) -> WebSocketError {
        if length <= 0xFFFF { return notMinimal() }
        return WebSocketError(.protocolError, "the highest bit of a frame's length is set", "§5.2")
    }

    @usableFromInline @inline(never)
    static func tooLong() -> WebSocketError {
        WebSocketError(.messageTooBig, "a frame is longer than the limit", "§10.4")
    }
}
