// Strings as JSON writes them (RFC 8259 §7): measured first, then written in one go. Called for every delivery to a
// JSON client. The bytes are UTF-8 already, and stay as they are but for what must be escaped. Writing beyond the
// span's end is fatal.

enum JSONText {
    /// How many of eight bytes come before the first that must be escaped: below U+0020, a quote or a backslash.
    /// Each term has the high bit of a byte set where that byte is less than 0x20, or became 0 by the exclusive or;
    /// borrowing can falsify only what lies above the first.
    @inlinable @inline(__always)
    static func clean(_ word: UInt64) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quote = word ^ (ones &* 0x22)
        let backslash = word ^ (ones &* 0x5C)
        let found = (word &- ones &* 0x20) & ~word | (quote &- ones) & ~quote | (backslash &- ones) & ~backslash
        return (found & (ones &* 0x80)).trailingZeroBitCount &>> 3
    }

    /// The character after the backslash in the short form of an escape; 0 where only `\u` will do, and nil where
    /// the byte stands for itself.
    @inlinable @inline(__always)
    static func escape(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x08: UInt8(ascii: "b")
        case 0x09: UInt8(ascii: "t")
        case 0x0A: UInt8(ascii: "n")
        case 0x0C: UInt8(ascii: "f")
        case 0x0D: UInt8(ascii: "r")
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): byte
        case ..<0x20: 0
        default: nil
        }
    }

    /// Bytes that a text takes between its quotes.
    @inlinable
    static func escapedLength(_ text: RawSpan) -> Int {
        var length = text.byteCount
        var offset = 0
        while offset < text.byteCount {
            if text.byteCount &- offset >= 8 {
                let clean = clean(UInt64(littleEndian: text.integer(UInt64.self, at: offset)))
                offset &+= clean
                if clean == 8 { continue }
            }
            if let short = escape(text.integer(UInt8.self, at: offset)) { length &+= short == 0 ? 5 : 1 }
            offset &+= 1
        }
        return length
    }

    /// Writes a text between its quotes, which are not written, at `start`.
    ///
    /// - Returns: where it ends.
    @inlinable
    static func write(_ text: RawSpan, to bytes: inout MutableRawSpan, at start: Int) -> Int {
        var end = start
        var offset = 0
        while offset < text.byteCount {
            if text.byteCount &- offset >= 8 {
                // All eight are stored, and what must be escaped is then written over: no byte becomes shorter, so
                // this never goes beyond the end that was measured.
                let word = text.integer(UInt64.self, at: offset)
                bytes.storeBytes(of: word, toByteOffset: end, as: UInt64.self)
                let clean = clean(UInt64(littleEndian: word))
                offset &+= clean
                end &+= clean
                if clean == 8 { continue }
            }
            let byte = text.integer(UInt8.self, at: offset)
            offset &+= 1
            guard let short = escape(byte) else {
                bytes.storeBytes(of: byte, toByteOffset: end, as: UInt8.self)
                end &+= 1
                continue
            }
            bytes.storeBytes(of: UInt8(ascii: "\\"), toByteOffset: end, as: UInt8.self)
            end &+= 1
            if short != 0 {
                bytes.storeBytes(of: short, toByteOffset: end, as: UInt8.self)
                end &+= 1
                continue
            }
            // "u00" and two digits, the first of which is 0 or 1.
            let low = byte & 0x0F
            let digit = low < 10 ? UInt8(ascii: "0") &+ low : UInt8(ascii: "a") &+ low &- 10
            bytes.storeBytes(of: UInt32(0x3030_3075).littleEndian, toByteOffset: end, as: UInt32.self)
            bytes.storeBytes(of: UInt8(ascii: "0") &+ byte &>> 4, toByteOffset: end &+ 3, as: UInt8.self)
            bytes.storeBytes(of: digit, toByteOffset: end &+ 4, as: UInt8.self)
            end &+= 5
        }
        return end
    }
}
