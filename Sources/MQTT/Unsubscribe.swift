// UNSUBSCRIBE (MQTT 5 §3.10).

/// A client's wish to end subscriptions.
package struct Unsubscribe: Sendable, Equatable {
    /// 1...65,535.
    package var packetIdentifier: UInt16
    /// At least one.
    package var filters: [String]
    /// v5 only.
    package var userProperties: [UserProperty]

    package init(packetIdentifier: UInt16, filters: [String], userProperties: [UserProperty] = []) {
        self.packetIdentifier = packetIdentifier
        self.filters = filters
        self.userProperties = userProperties
    }

    /// Decodes the UNSUBSCRIBE at `offset`, all of which must be there, and whose fixed header is `header`.
    package init(
        decoding bytes: Span<UInt8>, at offset: Int, header: FixedHeader, version: ProtocolVersion
    ) throws(ProtocolError) {
        var reader = try PacketReader(bytes, at: offset, header)
        self.init(packetIdentifier: try reader.packetIdentifier(), filters: [])
        if version == .v5 {
            userProperties = try reader.properties(of: .unsubscribe, from: .client).userProperties
        }
        while !reader.isAtEnd { filters.append(reader.string(try reader.topicFilter(version))) }
        guard !filters.isEmpty else { throw .forbidden("an UNSUBSCRIBE without a topic filter", "MQTT-3.10.3-2") }
    }

    package func encode(into output: inout [UInt8], version: ProtocolVersion) {
        var writer = PacketWriter()
        writer.twoBytes(packetIdentifier)
        if version == .v5 {
            var properties = Properties()
            properties.userProperties = userProperties
            writer.properties(properties)
        }
        for filter in filters { writer.string(filter) }
        writer.finish(PacketType.unsubscribe.firstByte, into: &output)
    }
}
