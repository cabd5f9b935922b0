// PUBACK, PUBREC, PUBREL and PUBCOMP with storage of their own (MQTT 5 §3.4 to §3.7), for clients, for refusals
// and tests. Listeners and router read them with `AckHeader`.

/// A step in the delivery of a message above QoS 0.
package struct Acknowledgement: Sendable, Equatable {
    /// One of the four.
    package var type: PacketType
    /// 1...65,535.
    package var packetIdentifier: UInt16
    /// v5 only, else success.
    package var reason: ReasonCode
    /// v5 only.
    package var properties: Properties

    package init(
        _ type: PacketType, packetIdentifier: UInt16, reason: ReasonCode = .success,
        properties: Properties = Properties()
    ) {
        self.type = type
        self.packetIdentifier = packetIdentifier
        self.reason = reason
        self.properties = properties
    }

    /// Decodes the packet at `offset`, all of which must be there, and whose fixed header is `header`.
    package init(
        decoding bytes: Span<UInt8>, at offset: Int, header: FixedHeader, version: ProtocolVersion,
        from sender: Sender = .client
    ) throws(ProtocolError) {
        var reader = try PacketReader(bytes, at: offset, header)
        self.init(header.type, packetIdentifier: try reader.packetIdentifier())
        // MQTT 5 §3.4.2.1, §3.4.2.2.1: reason and properties may be left out from behind.
        if version == .v5, !reader.isAtEnd {
            reason = try reader.reason(of: header.type, from: sender)
            if !reader.isAtEnd { properties = try reader.properties(of: PacketSet(header.type), from: sender) }
        }
        try reader.expectEnd()
    }

    package func encode(into output: inout [UInt8], version: ProtocolVersion) {
        var writer = PacketWriter()
        writer.twoBytes(packetIdentifier)
        if version == .v5, reason != .success || !properties.isEmpty {
            writer.byte(reason.rawValue)
            if !properties.isEmpty { writer.properties(properties) }
        }
        writer.finish(type.firstByte, into: &output)
    }
}
