// PUBLISH with storage of its own (MQTT 5 §3.3), for clients and tests. Listeners and router read it with
// `PublishHeader`.

/// A message on its way.
package struct Publish: Sendable, Equatable {
    /// Empty where an alias stands for it (v5).
    package var topic: String
    package var payload: [UInt8]
    package var qos: QoS
    package var retain: Bool
    /// Whether it may have been sent before; never at QoS 0.
    package var duplicate: Bool
    /// 1...65,535; not written at QoS 0, where it is 0.
    package var packetIdentifier: UInt16
    /// v5 only.
    package var properties: Properties

    package init(
        topic: String, payload: [UInt8], qos: QoS = .atMostOnce, retain: Bool = false, duplicate: Bool = false,
        packetIdentifier: UInt16 = 0, properties: Properties = Properties()
    ) {
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.duplicate = duplicate
        self.packetIdentifier = packetIdentifier
        self.properties = properties
    }

    /// Decodes the PUBLISH at `offset`, all of which must be there, and whose fixed header is `header`.
    package init(
        decoding bytes: Span<UInt8>, at offset: Int, header: FixedHeader, version: ProtocolVersion,
        from sender: Sender = .client
    ) throws(ProtocolError) {
        let found = try PublishHeader(bytes, at: offset, header: header, version: version, from: sender)
        let reader = try PacketReader(bytes, at: offset, header)
        self.init(
            topic: reader.string(found.topic), payload: reader.array(found.payload), qos: found.qos,
            retain: found.retain, duplicate: found.duplicate, packetIdentifier: found.packetIdentifier,
            properties: try Properties(decoding: bytes, found.properties, of: .publish, from: sender))
    }

    package func encode(into output: inout [UInt8], version: ProtocolVersion) {
        var writer = PacketWriter()
        writer.string(topic)
        // [MQTT-2.2.1-2]
        if qos != .atMostOnce { writer.twoBytes(packetIdentifier) }
        if version == .v5 { writer.properties(properties) }
        writer.raw(payload)
        let flags = (duplicate ? 0b1000 : 0) | qos.rawValue << 1 | (retain ? 1 : 0)
        writer.finish(PacketType.publish.firstByte | flags, into: &output)
    }
}
