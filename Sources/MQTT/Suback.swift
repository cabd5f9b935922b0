// SUBACK (MQTT 5 §3.9).

/// The server's answer to SUBSCRIBE.
package struct Suback: Sendable, Equatable {
    /// 1...65,535.
    package var packetIdentifier: UInt16
    /// One for each filter, in SUBSCRIBE's order: the granted QoS or a failure. Before v5 there is one failure only,
    /// "unspecified error"; 3.1 has none, but 0x80 is sent to its clients too, as other servers do.
    package var reasons: [ReasonCode]
    /// v5 only.
    package var properties: Properties

    package init(packetIdentifier: UInt16, reasons: [ReasonCode], properties: Properties = Properties()) {
        self.packetIdentifier = packetIdentifier
        self.reasons = reasons
        self.properties = properties
    }

    /// Decodes the SUBACK at `offset`, all of which must be there, and whose fixed header is `header`.
    package init(
        decoding bytes: Span<UInt8>, at offset: Int, header: FixedHeader, version: ProtocolVersion
    ) throws(ProtocolError) {
        var reader = try PacketReader(bytes, at: offset, header)
        self.init(packetIdentifier: try reader.packetIdentifier(), reasons: [])
        if version == .v5 { properties = try reader.properties(of: .suback, from: .server) }
        while !reader.isAtEnd {
            // [MQTT-3.9.3-2]
            let reason = try reader.reason(of: .suback, from: .server)
            if version != .v5, reason.isFailure, reason != .unspecifiedError {
                throw .malformed("a SUBACK with a reserved return code", "MQTT 3.1.1, MQTT-3.9.3-2")
            }
            reasons.append(reason)
        }
        guard !reasons.isEmpty else { throw .forbidden("a SUBACK without a reason code", "MQTT-3.9.3-1") }
    }

    package func encode(into output: inout [UInt8], version: ProtocolVersion) {
        var writer = PacketWriter()
        writer.twoBytes(packetIdentifier)
        if version == .v5 { writer.properties(properties) }
        for reason in reasons {
            let code = version == .v5 || !reason.isFailure ? reason : .unspecifiedError
            writer.byte(code.rawValue)
        }
        writer.finish(PacketType.suback.firstByte, into: &output)
    }
}
