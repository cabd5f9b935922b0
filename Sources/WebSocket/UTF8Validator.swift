// Checks that bytes which arrive in pieces are UTF-8 (RFC 3629), with one byte of state between the pieces. Called
// by the message machine for text messages and by the JSON delivery for payloads. Nothing here is fatal.

/// An automaton over the bytes of a text: its state says what the next byte may be.
package struct UTF8Validator: Equatable, Sendable, BitwiseCopyable {
    /// 0 between characters, `broken` after an error, else the kind of bytes that must follow (see `next`).
    @usableFromInline var state: UInt8

    @inlinable @inline(__always)
    package init(state: UInt8 = 0) { self.state = state }

    /// Whether the text so far ends at the end of a character.
    package var isComplete: Bool {
        @inlinable @inline(__always) get { state == 0 }
    }

    @usableFromInline static var broken: UInt8 {
        @inlinable @inline(__always) get { 0xFF }
    }

    /// Takes the next piece of the text.
    ///
    /// - Returns: false as soon as no continuation could make the text valid; it stays so from then on.
    @inlinable
    package mutating func take(_ bytes: RawSpan) -> Bool {
        var offset = 0
        let count = bytes.byteCount
        while offset < count {
            if state == 0 {
                // ASCII, which most text is, needs no automaton.
                while count &- offset >= 8, bytes.integer(UInt64.self, at: offset) & 0x8080_8080_8080_8080 == 0 {
                    offset &+= 8
                }
                if offset == count { break }
            }
            state = Self.next(state, bytes.integer(UInt8.self, at: offset))
            if state == Self.broken { return false }
            offset &+= 1
        }
        return state != Self.broken
    }

    /// The state after one more byte. States 1 to 3: as many continuation bytes; 4 to 7: the second byte is
    /// restricted, so that overlong forms, surrogates and what lies above U+10FFFF are refused (RFC 3629 §4).
    @inlinable @inline(__always)
    static func next(_ state: UInt8, _ byte: UInt8) -> UInt8 {
        switch (state, byte) {
        case (0, 0x00...0x7F): 0
        case (0, 0xC2...0xDF): 1
        case (0, 0xE0): 4
        case (0, 0xED): 5
        case (0, 0xE1...0xEF): 2
        case (0, 0xF0): 6
        case (0, 0xF1...0xF3): 3
        case (0, 0xF4): 7
        case (1, 0x80...0xBF): 0
        case (2, 0x80...0xBF), (4, 0xA0...0xBF), (5, 0x80...0x9F): 1
        case (3, 0x80...0xBF), (6, 0x90...0xBF), (7, 0x80...0x8F): 2
        default: broken
        }
    }
}
