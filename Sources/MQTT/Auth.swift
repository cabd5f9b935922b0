// AUTH (MQTT 5 §3.15), a step of an extended authentication. There is none before v5.

/// Authentication data on its way.
package struct Auth: Sendable, Equatable {
    /// Success, continue or re-authenticate.
    package var reason: ReasonCode
    /// With an authentication method, unless the packet is a bare success.
    package var properties: Properties

    package init(reason: ReasonCode = .success, properties: Properties = Properties()) {
        self.reason = reason
        self.properties = properties
    }

    /// Decodes the AUTH at `offset`, all of which must be there, and whose fixed header is `header`.
    package init(
        decoding bytes: Span<UInt8>, at offset: Int, header: FixedHeader, version: ProtocolVersion,
        from sender: Sender = .client
    ) throws(ProtocolError) {
        guard version == .v5 else {
            throw .malformed("packet type 15 is reserved before MQTT 5", "MQTT 3.1.1 §2.2.1")
        }
        var reader = try PacketReader(bytes, at: offset, header)
        self.init()
        if reader.isAtEnd {
            // MQTT 5 §3.15.2.1: a success without properties, which only a server says.
            guard sender == .server else { throw .malformed("an AUTH without a reason code", "MQTT-3.15.2-1") }
            return
        }
        reason = try reader.reason(of: .auth, from: sender)
        properties = try reader.properties(of: .auth, from: sender)
        guard properties.authenticationMethod != nil else {
            throw .forbidden("an AUTH without an authentication method", "MQTT-3.15.2.2.2")
        }
        try reader.expectEnd()
    }

    /// Appends the packet; `version` is v5.
    package func encode(into output: inout [UInt8], version: ProtocolVersion) {
        precondition(version == .v5, "there is no AUTH before MQTT 5")
        var writer = PacketWriter()
        if reason != .success || !properties.isEmpty {
            writer.byte(reason.rawValue)
            writer.properties(properties)
        }
        writer.finish(PacketType.auth.firstByte, into: &output)
    }
}
