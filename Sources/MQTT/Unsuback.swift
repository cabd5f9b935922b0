// UNSUBACK (MQTT 5 §3.11).

/// The server's answer to UNSUBSCRIBE.
package struct Unsuback: Sendable, Equatable {
    /// 1...65,535.
    package var packetIdentifier: UInt16
    /// One for each filter, in UNSUBSCRIBE's order; none before v5.
    package var reasons: [ReasonCode]
    /// v5 only.
    package var properties: Properties

    package init(packetIdentifier: UInt16, reasons: [ReasonCode], properties: Properties = Properties()) {
        self.packetIdentifier = packetIdentifier
        self.reasons = reasons
        self.properties = properties
    }

    /// Decodes the UNSUBACK at `offset`, all of which must be there, and whose fixed header is `header`.
    package init(
        decoding bytes: Span<UInt8>, at offset: Int, header: FixedHeader, version: ProtocolVersion
    ) throws(ProtocolError) {
        var reader = try PacketReader(bytes, at: offset, header)
        self.init(packetIdentifier: try reader.packetIdentifier(), reasons: [])
        guard version == .v5 else {
            try reader.expectEnd()
            return
        }
        properties = try reader.properties(of: .unsuback, from: .server)
        // [MQTT-3.11.3-2]
        while !reader.isAtEnd { reasons.append(try reader.reason(of: .unsuback, from: .server)) }
        guard !reasons.isEmpty else { throw .forbidden("an UNSUBACK without a reason code", "MQTT-3.11.3-1") }
    }

    package func encode(into output: inout [UInt8], version: ProtocolVersion) {
        var writer = PacketWriter()
        writer.twoBytes(packetIdentifier)
        if version == .v5 {
            writer.properties(properties)
            for reason in reasons { writer.byte(reason.rawValue) }
        }
        writer.finish(PacketType.unsuback.firstByte, into: &output)
    }
}
