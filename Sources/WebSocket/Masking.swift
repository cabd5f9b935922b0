// Takes the mask off a client's payload, in place (RFC 6455 §5.3). Called by the listener for every frame. A range
// outside the span is fatal.

package enum Masking {
    /// Applies the key to `range`.
    ///
    /// - Parameter phase: bytes of the frame's payload that came before `range`, where it arrives in pieces.
    @inlinable
    package static func apply(_ bytes: inout MutableRawSpan, _ range: Range<Int>, key: UInt32, phase: Int = 0) {
        if key == 0 { return }
        let turned = rotated(key, by: phase)
        let wide = UInt64(turned) | UInt64(turned) &<< 32
        let vector = SIMD4<UInt64>(repeating: wide)
        // Every step but the last few is a multiple of four bytes, so the key needs no turning on the way.
        var offset = range.lowerBound
        var left = range.count
        while left >= 32 {
            let value = bytes.bytes.vector(at: offset) ^ vector
            bytes.storeBytes(of: value, toByteOffset: offset, as: SIMD4<UInt64>.self)
            offset &+= 32
            left &-= 32
        }
        while left >= 8 {
            let value = bytes.bytes.integer(UInt64.self, at: offset) ^ wide.littleEndian
            bytes.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
            offset &+= 8
            left &-= 8
        }
        if left & 4 != 0 {
            let value = bytes.bytes.integer(UInt32.self, at: offset) ^ turned.littleEndian
            bytes.storeBytes(of: value, toByteOffset: offset, as: UInt32.self)
            offset &+= 4
        }
        var rest = turned
        if left & 2 != 0 {
            let value = bytes.bytes.integer(UInt16.self, at: offset) ^ UInt16(truncatingIfNeeded: rest).littleEndian
            bytes.storeBytes(of: value, toByteOffset: offset, as: UInt16.self)
            offset &+= 2
            rest &>>= 16
        }
        if left & 1 != 0 {
            let value = bytes.bytes.integer(UInt8.self, at: offset) ^ UInt8(truncatingIfNeeded: rest)
            bytes.storeBytes(of: value, toByteOffset: offset, as: UInt8.self)
        }
    }

    /// The key as it applies to a payload of which `phase` bytes have passed.
    @inlinable @inline(__always)
    package static func rotated(_ key: UInt32, by phase: Int) -> UInt32 {
        let bits = UInt32(truncatingIfNeeded: phase & 3) &* 8
        return key &>> bits | key &<< (32 &- bits)
    }
}
