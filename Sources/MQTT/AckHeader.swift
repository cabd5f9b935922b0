// Reads PUBACK, PUBREC, PUBREL and PUBCOMP where they lie (MQTT 5 §3.4 to §3.7). The hot path: called for every
// message above QoS 0. `Acknowledgement` is the packet with storage of its own.

/// What an acknowledgement says.
package struct AckHeader: Sendable, Equatable {
    /// 1...65535.
    package let packetIdentifier: UInt16
    /// Success where the packet does not say.
    package let reason: ReasonCode

    /// Reads the acknowledgement at `offset`, all of which must be there, and whose fixed header is `header`. A reason
    /// and properties (v5) are checked; the properties are not kept.
    @inlinable @inline(__always)
    package init(
        _ bytes: Span<UInt8>, at offset: Int, header: FixedHeader, version: ProtocolVersion,
        from sender: Sender = .client
    ) throws(ProtocolError) {
        let start = offset &+ header.headerLength
        guard header.remainingLength >= 2, offset &+ header.packetLength <= bytes.count else { throw .cutShort }
        packetIdentifier = UInt16(bytes[start]) << 8 | UInt16(bytes[start &+ 1])
        guard packetIdentifier != 0 else { throw .zeroPacketIdentifier }
        if header.remainingLength == 2 {
            reason = .success
        } else {
            reason = try Self.checkReason(bytes, at: offset, header: header, version: version, from: sender)
        }
    }

    /// The forms that only v5 has: with a reason, and with properties.
    @usableFromInline @inline(never)
    static func checkReason(
        _ bytes: Span<UInt8>, at offset: Int, header: FixedHeader, version: ProtocolVersion, from sender: Sender
    ) throws(ProtocolError) -> ReasonCode {
        var reader = try PacketReader(bytes, at: offset, header)
        _ = try reader.twoBytes()
        guard version == .v5 else {
            try reader.expectEnd()
            return .success
        }
        let reason = try reader.reason(of: header.type, from: sender)
        if reader.isAtEnd { return reason }
        var cursor = PropertyCursor(
            bytes, try reader.range(try reader.variable()), of: PacketSet(header.type), from: sender)
        while try cursor.next() != nil {}
        try reader.expectEnd()
        return reason
    }
}

extension PacketReader {
    /// A reason code that `sender` may put into a packet of this type.
    mutating func reason(of type: PacketType, from sender: Sender) throws(ProtocolError) -> ReasonCode {
        let reason = ReasonCode(rawValue: try byte())
        guard reason.isAllowed(in: type, from: sender) else {
            // [MQTT-3.4.2-1], [MQTT-3.5.2-1], [MQTT-3.6.2-1], [MQTT-3.7.2-1] and alike for the others.
            throw .malformed("a reason code that its packet may not have", "MQTT-2.4")
        }
        return reason
    }
}
