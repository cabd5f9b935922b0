// Writes the header of a server's frame (RFC 6455 §5.2): one final fragment, never masked (§5.1). Called by the
// listener for every frame it sends. Writing beyond the span's end is fatal.

extension FrameHeader {
    /// The most bytes that the header of a server's frame takes.
    package static var longest: Int {
        @inlinable @inline(__always) get { 10 }
    }

    /// Bytes that the header takes before a payload of this length: 2, 4 or 10.
    @inlinable @inline(__always)
    package static func encodedLength(payload length: Int) -> Int {
        length < 126 ? 2 : length <= 0xFFFF ? 4 : 10
    }

    /// Writes the header of an unfragmented frame at `start`.
    ///
    /// - Parameter length: bytes of payload that will follow; at most 125 for a control frame (RFC 6455 §5.5).
    /// - Returns: bytes written, `encodedLength(payload: length)`.
    @inlinable @inline(__always)
    @discardableResult
    package static func write(
        opcode: Opcode, length: Int, to bytes: inout MutableRawSpan, at start: Int
    ) -> Int {
        let first = UInt32(0x80 | opcode.rawValue)
        if length < 126 {
            let header = UInt16(truncatingIfNeeded: first &<< 8 | UInt32(truncatingIfNeeded: length))
            bytes.storeBytes(of: header.bigEndian, toByteOffset: start, as: UInt16.self)
            return 2
        }
        if length <= 0xFFFF {
            let header = first &<< 24 | 126 &<< 16 | UInt32(truncatingIfNeeded: length)
            bytes.storeBytes(of: header.bigEndian, toByteOffset: start, as: UInt32.self)
            return 4
        }
        let header = UInt16(truncatingIfNeeded: first &<< 8 | 127)
        bytes.storeBytes(of: header.bigEndian, toByteOffset: start, as: UInt16.self)
        bytes.storeBytes(of: UInt64(length).bigEndian, toByteOffset: start &+ 2, as: UInt64.self)
        return 10
    }
}
