// DISCONNECT (MQTT 5 §3.14). Before v5 only clients send it, and it is two bytes.

/// The last packet of a connection that ends in good order, or with an explanation.
package struct Disconnect: Sendable, Equatable {
    /// v5 only, else normal.
    package var reason: ReasonCode
    /// v5 only.
    package var properties: Properties

    package init(reason: ReasonCode = .normalDisconnection, properties: Properties = Properties()) {
        self.reason = reason
        self.properties = properties
    }

    /// Decodes the DISCONNECT at `offset`, all of which must be there, and whose fixed header is `header`.
    package init(
        decoding bytes: Span<UInt8>, at offset: Int, header: FixedHeader, version: ProtocolVersion,
        from sender: Sender = .client
    ) throws(ProtocolError) {
        var reader = try PacketReader(bytes, at: offset, header)
        self.init()
        if version != .v5, sender == .server {
            throw .forbidden("a DISCONNECT from a server before MQTT 5", "MQTT 3.1.1 §3.14")
        }
        // MQTT 5 §3.14.2.1, §3.14.2.2.1: reason and properties may be left out from behind.
        if version == .v5, !reader.isAtEnd {
            reason = try reader.reason(of: .disconnect, from: sender)
            if !reader.isAtEnd { properties = try reader.properties(of: .disconnect, from: sender) }
        }
        try reader.expectEnd()
    }

    package func encode(into output: inout [UInt8], version: ProtocolVersion) {
        var writer = PacketWriter()
        if version == .v5, reason != .normalDisconnection || !properties.isEmpty {
            writer.byte(reason.rawValue)
            if !properties.isEmpty { writer.properties(properties) }
        }
        writer.finish(PacketType.disconnect.firstByte, into: &output)
    }
}
