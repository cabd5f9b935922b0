// The fixed header that opens every packet (MQTT 5 §2.1). Called for every packet, by whoever cuts a stream into
// packets.

/// The type, flags and length of a packet.
package struct FixedHeader: Sendable, Equatable {
    package let type: PacketType
    /// The lower half of the first byte, 0...15.
    package let flags: UInt8
    /// Bytes of the fixed header itself, 2...5.
    package let headerLength: Int
    /// Bytes behind the fixed header, 0...268,435,455.
    package let remainingLength: Int

    /// Bytes of the whole packet.
    @inlinable @inline(__always)
    package var packetLength: Int { headerLength &+ remainingLength }

    @inlinable @inline(__always)
    package init(type: PacketType, flags: UInt8, headerLength: Int, remainingLength: Int) {
        self.type = type
        self.flags = flags
        self.headerLength = headerLength
        self.remainingLength = remainingLength
    }

    /// Reads the header at `offset`, which is at most `bytes.count`. Nil: more bytes are needed. The packet behind it
    /// need not be there yet; limits on its length are the caller's.
    ///
    /// Before CONNECT has told the version, the default serves all: `Connect` checks what is particular to v5. AUTH
    /// passes here whatever the version.
    @inlinable @inline(__always)
    package static func read(
        _ bytes: Span<UInt8>, at offset: Int, version: ProtocolVersion = .v3_1_1
    ) throws(ProtocolError) -> FixedHeader? {
        let available = bytes.count &- offset
        guard available > 0 else { return nil }
        let first = bytes[offset]
        guard let type = PacketType(rawValue: first >> 4) else {
            throw .malformed("packet type 0 is reserved", "MQTT-2.1.2")
        }
        let flags = first & 0x0F
        if type != .publish, flags != type.reservedFlags, version != .v3_1 {
            // MQTT 3.1 §2.1 lets retransmitted packets carry DUP, and gives the other flags no meaning.
            throw .malformed("the reserved flags of the fixed header are wrong", "MQTT-2.1.3-1")
        }
        guard let (length, size) = try VariableByteInteger.read(bytes, at: offset &+ 1, end: bytes.count) else {
            return nil
        }
        if version == .v5, size != VariableByteInteger.encodedLength(length) {
            throw .malformed("the remaining length takes more bytes than it needs", "MQTT-1.5.5-1")
        }
        return FixedHeader(type: type, flags: flags, headerLength: 1 &+ size, remainingLength: length)
    }
}
