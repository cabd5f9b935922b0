// CONNACK, the server's answer to CONNECT (MQTT 5 §3.2).

/// Whether the client is connected, and on which terms.
package struct Connack: Sendable, Equatable {
    /// Whether the server had a session for this client. 3.1 has no such field.
    package var sessionPresent: Bool
    package var reason: ReasonCode
    /// v5 only.
    package var properties: Properties

    package init(sessionPresent: Bool = false, reason: ReasonCode = .success, properties: Properties = Properties()) {
        self.sessionPresent = sessionPresent
        self.reason = reason
        self.properties = properties
    }

    /// Decodes the CONNACK at `offset`, all of which must be there, and whose fixed header is `header`.
    package init(
        decoding bytes: Span<UInt8>, at offset: Int, header: FixedHeader, version: ProtocolVersion
    ) throws(ProtocolError) {
        var reader = try PacketReader(bytes, at: offset, header)
        let flags = try reader.byte()
        if version == .v3_1 {
            sessionPresent = false
        } else {
            guard flags <= 1 else { throw .malformed("a CONNACK with reserved flags", "MQTT-3.2.2-1") }
            sessionPresent = flags == 1
        }
        if version == .v5 {
            reason = try reader.reason(of: .connack, from: .server)
            properties = try reader.properties(of: .connack, from: .server)
        } else {
            guard let code = ReasonCode(connackReturnCode: try reader.byte()) else {
                throw .malformed("a CONNACK with a reserved return code", "MQTT 3.1.1 §3.2.2.3")
            }
            reason = code
            properties = Properties()
        }
        if reason != .success, sessionPresent {
            throw .forbidden("a CONNACK that refuses but has a session", "MQTT-3.2.2-6")
        }
        try reader.expectEnd()
    }

    /// Appends the packet. Nothing is written where 3.1 and 3.1.1 have no return code for the reason: the connection is
    /// then closed without a CONNACK (MQTT 3.1.1 [MQTT-3.2.2-6]).
    package func encode(into output: inout [UInt8], version: ProtocolVersion) {
        var writer = PacketWriter()
        // [MQTT-3.2.2-6]: a refusal has no session.
        writer.byte(sessionPresent && reason == .success && version != .v3_1 ? 1 : 0)
        if version == .v5 {
            writer.byte(reason.rawValue)
            writer.properties(properties)
        } else {
            guard let code = reason.connackReturnCode else { return }
            writer.byte(code)
        }
        writer.finish(PacketType.connack.firstByte, into: &output)
    }
}
