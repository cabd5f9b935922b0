// Base64 of RFC 4648 §4, for payloads in the JSON protocol and the handshake. Nothing is fatal.

enum Base64 {
    /// Characters that `count` bytes take.
    @inlinable
    static func encodedLength(_ count: Int) -> Int { (count &+ 2) / 3 &* 4 }

    /// The four characters for the up to three bytes at `offset`, the first in the lowest byte.
    @inlinable
    static func characters(_ input: Span<UInt8>, at offset: Int) -> UInt32 {
        let left = input.count &- offset
        var group = UInt32(input[offset]) &<< 16
        if left > 1 { group |= UInt32(input[offset &+ 1]) &<< 8 }
        if left > 2 { group |= UInt32(input[offset &+ 2]) }
        let padding = UInt32(UInt8(ascii: "="))
        return character(group &>> 18) | character(group &>> 12 & 63) &<< 8
            | (left > 1 ? character(group &>> 6 & 63) : padding) &<< 16
            | (left > 2 ? character(group & 63) : padding) &<< 24
    }

    /// The character for a value of 0 to 63. Sums of steps between the alphabet's runs, because branches would be
    /// mispredicted.
    @inlinable @inline(__always)
    static func character(_ value: UInt32) -> UInt32 {
        // From A to a, from z to 0, from 9 to +, from + to /.
        value &+ 65 &+ (value > 25 ? 6 : 0) &- (value > 51 ? 75 : 0) &- (value > 61 ? 15 : 0) &+ (value > 62 ? 3 : 0)
    }

    /// The padded form of `input`.
    static func encoded(_ input: Span<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(encodedLength(input.count))
        for offset in stride(from: 0, to: input.count, by: 3) {
            let four = characters(input, at: offset)
            for shift in [0, 8, 16, 24] as [UInt32] { text.append(UInt8(truncatingIfNeeded: four >> shift)) }
        }
        return text
    }

    /// Decodes `range` of `bytes` in place; the result is never longer.
    ///
    /// - Returns: the range of the result, nil unless the text is in its one right form: padded, without white space,
    ///   with no bits set that the bytes do not need (RFC 4648 §3.2, §3.3, §3.5).
    static func decode(_ bytes: inout [UInt8], _ range: Range<Int>) -> Range<Int>? {
        guard range.count % 4 == 0 else { return nil }
        var end = range.lowerBound
        for offset in stride(from: range.lowerBound, to: range.upperBound, by: 4) {
            var padding = 0
            if offset + 4 == range.upperBound, bytes[offset + 3] == UInt8(ascii: "=") {
                padding = bytes[offset + 2] == UInt8(ascii: "=") ? 2 : 1
            }
            var group: UInt32 = 0
            for position in offset..<offset + 4 - padding {
                guard let digit = digit(bytes[position]) else { return nil }
                group = group << 6 | digit
            }
            group <<= UInt32(6 * padding)
            // The bits beyond the last byte are zero (RFC 4648 §3.5).
            if group & (1 << UInt32(8 * padding) - 1) != 0 { return nil }
            for byte in 0..<3 - padding {
                bytes[end] = UInt8(truncatingIfNeeded: group >> UInt32(16 - 8 * byte))
                end += 1
            }
        }
        return range.lowerBound..<end
    }

    /// The six bits that a character stands for.
    static func digit(_ character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a") + 26)
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0") + 52)
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
