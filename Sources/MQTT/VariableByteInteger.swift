// Variable Byte Integers (MQTT 5 §1.5.5): the remaining length of every packet, property lengths, subscription
// identifiers. Called for every packet that is read or written.

/// Seven bits a byte, the lowest first, the top bit set on all but the last; at most four bytes.
package enum VariableByteInteger {
    /// The greatest value that four bytes hold.
    @inlinable @inline(__always)
    package static var maximum: Int { 268_435_455 }

    /// How many bytes `value` takes, 1...4.
    @inlinable @inline(__always)
    package static func encodedLength(_ value: Int) -> Int {
        value < 1 << 7 ? 1 : value < 1 << 14 ? 2 : value < 1 << 21 ? 3 : 4
    }

    /// Writes `value`, 0...`maximum`, at `offset`; answers the offset behind it.
    @inlinable @inline(__always)
    package static func write(_ value: Int, to bytes: inout MutableRawSpan, at offset: Int) -> Int {
        var rest = UInt32(truncatingIfNeeded: value)
        var position = offset
        while rest >= 0x80 {
            bytes.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: position, as: UInt8.self)
            rest >>= 7
            position &+= 1
        }
        bytes.storeBytes(of: UInt8(truncatingIfNeeded: rest), toByteOffset: position, as: UInt8.self)
        return position &+ 1
    }

    /// Appends `value`, 0...`maximum`.
    package static func append(_ value: Int, to bytes: inout [UInt8]) {
        precondition((0...maximum).contains(value), "a Variable Byte Integer holds 0...268435455, not \(value)")
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// The value at `offset` and its length in bytes, 1...4. Nil: it goes on at or beyond `end`.
    @inlinable @inline(__always)
    package static func read(
        _ bytes: Span<UInt8>, at offset: Int, end: Int
    ) throws(ProtocolError) -> (value: Int, length: Int)? {
        var value = 0
        var length = 0
        while length < 4 {
            guard offset &+ length < end else { return nil }
            let byte = bytes[offset &+ length]
            value |= Int(byte & 0x7F) << (7 &* length)
            length &+= 1
            if byte < 0x80 { return (value, length) }
        }
        throw .malformed("a length goes on beyond its fourth byte", "MQTT-1.5.5")
    }
}
