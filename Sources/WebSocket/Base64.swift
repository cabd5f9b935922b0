// Base64 of RFC 4648 §4, for payloads in the JSON protocol and the handshake. Nothing is fatal.

enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Appends the padded form of `input`.
    static func append(_ input: Span<UInt8>, to text: inout [UInt8]) {
        let alphabet = alphabet
        text.reserveCapacity(text.count + (input.count + 2) / 3 * 4)
        var offset = 0
        while offset < input.count {
            let left = input.count - offset
            var group = Int(input[offset]) << 16
            if left > 1 { group |= Int(input[offset + 1]) << 8 }
            if left > 2 { group |= Int(input[offset + 2]) }
            text.append(alphabet[group >> 18])
            text.append(alphabet[group >> 12 & 63])
            text.append(left > 1 ? alphabet[group >> 6 & 63] : UInt8(ascii: "="))
            text.append(left > 2 ? alphabet[group & 63] : UInt8(ascii: "="))
            offset += 3
        }
    }

    /// Decodes `range` of `bytes` in place, where the result is never longer.
    ///
    /// - Returns: the range of the result, nil unless the text is in its one right form: padded, without white space,
    ///   with no bits set that the bytes do not need (RFC 4648 §3.2, §3.3, §3.5).
    static func decode(_ bytes: inout [UInt8], _ range: Range<Int>) -> Range<Int>? {
        guard range.count % 4 == 0 else { return nil }
        var end = range.lowerBound
        var offset = range.lowerBound
        while offset < range.upperBound {
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
            offset += 4
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
