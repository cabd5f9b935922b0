// Puts frames together to messages (RFC 6455 §5.4) and keeps the closing handshake's state (§7.1). A value without
// I/O, eight bytes, so that it can lie in the listener's arena. Called by the listener for every frame, once the
// header is there, and for a control frame its payload as well. Nothing is fatal.

package struct MessageMachine: Equatable, Sendable, BitwiseCopyable {
    /// What the listener does with the frame.
    package enum Action: Equatable, Sendable {
        /// The payload belongs to a text or binary message, and ends it where `final`.
        case data(text: Bool, final: Bool)
        /// Answer with a pong of the same payload (RFC 6455 §5.5.2).
        case ping
        /// The peer lives.
        case pong
        /// Read the payload with `CloseFrame.read`, answer with a close frame unless one was sent, and close.
        case close
        /// Skip the payload: one side has already said that it closes.
        case discard
    }

    /// Bytes of the message under way, saturated.
    @usableFromInline var length: UInt32
    /// The opcode of the message under way, 0 for none.
    @usableFromInline var message: UInt8
    @usableFromInline var utf8: UTF8Validator
    /// Bit 0: a close frame was sent. Bit 1: one was received.
    @usableFromInline var closing: UInt8

    @inlinable @inline(__always)
    package init() {
        length = 0
        message = 0
        utf8 = UTF8Validator()
        closing = 0
    }

    /// The machine as it was stored.
    @inlinable @inline(__always)
    package init(bits: UInt64) {
        length = UInt32(truncatingIfNeeded: bits)
        message = UInt8(truncatingIfNeeded: bits &>> 32)
        utf8 = UTF8Validator(state: UInt8(truncatingIfNeeded: bits &>> 40))
        closing = UInt8(truncatingIfNeeded: bits &>> 48)
    }

    /// All of the state, for storage; 0 is a new machine.
    @inlinable @inline(__always)
    package var bits: UInt64 {
        UInt64(length) | UInt64(message) &<< 32 | UInt64(utf8.state) &<< 40 | UInt64(closing) &<< 48
    }

    package var hasSentClose: Bool {
        @inlinable @inline(__always) get { closing & 1 != 0 }
    }

    package var hasReceivedClose: Bool {
        @inlinable @inline(__always) get { closing & 2 != 0 }
    }

    /// Notes that a close frame was sent: from now on only the peer's own matters (RFC 6455 §5.5.1).
    @inlinable @inline(__always)
    package mutating func sentClose() { closing |= 1 }

    /// Takes the next frame's header.
    ///
    /// - Parameter limit: the longest message in bytes; `Int.max` where messages are parts of a stream (MQTT).
    /// - Throws: 1002 for fragments out of order, 1009 for a message above the limit.
    @inlinable @inline(__always)
    package mutating func received(_ header: FrameHeader, limit: Int) throws(WebSocketError) -> Action {
        // Nearly every frame is a whole binary message.
        if bits == 0, header.isFinal, header.opcode == .binary, header.payloadLength <= limit {
            return .data(text: false, final: true)
        }
        return try receivedOther(header, limit: limit)
    }

    @usableFromInline @inline(never)
    mutating func receivedOther(_ header: FrameHeader, limit: Int) throws(WebSocketError) -> Action {
        // What follows a close frame, of either side, is not looked at (RFC 6455 §1.4, §5.5.1).
        if hasReceivedClose { return .discard }
        if header.opcode == .close {
            closing |= 2
            return .close
        }
        if hasSentClose { return .discard }

        switch header.opcode {
        case .ping: return .ping
        case .pong: return .pong
        case .continuation:
            // RFC 6455 §5.4: a continuation needs a message to continue.
            if message == 0 { throw WebSocketError(.protocolError, "there is no message to continue", "§5.4") }
        case .text, .binary, .close:
            // RFC 6455 §5.4: fragments of one message are not interleaved with those of another.
            if message != 0 {
                throw WebSocketError(.protocolError, "a message begins before the last has ended", "§5.4")
            }
            message = header.opcode.rawValue
            length = 0
            utf8 = UTF8Validator()
        }
        // Subtracted, since a sum of two lengths could overflow.
        if header.payloadLength > limit - Int(length) {
            throw WebSocketError(.messageTooBig, "a message is longer than the limit", "§10.4")
        }
        length = UInt32(clamping: Int(length) + header.payloadLength)
        let text = message == Opcode.text.rawValue
        if header.isFinal {
            message = 0
            length = 0
        }
        return .data(text: text, final: header.isFinal)
    }

    /// Checks the next piece of a text message, unmasked: a frame's payload or a part of it.
    ///
    /// - Parameter ends: whether the message ends with this piece.
    /// - Throws: 1007, at the first byte that can not be UTF-8 (RFC 6455 §8.1).
    @inlinable
    package mutating func text(_ bytes: RawSpan, ends: Bool) throws(WebSocketError) {
        guard utf8.take(bytes), !ends || utf8.isComplete else {
            throw WebSocketError(.invalidPayload, "a text message is not UTF-8", "§8.1")
        }
    }
}
