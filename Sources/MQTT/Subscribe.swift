// SUBSCRIBE (MQTT 5 §3.8).

/// A client's wish for messages.
package struct Subscribe: Sendable, Equatable {
    /// One topic filter and how it is to receive.
    package struct Entry: Sendable, Equatable {
        package var filter: String
        package var options: SubscriptionOptions

        package init(filter: String, options: SubscriptionOptions) {
            self.filter = filter
            self.options = options
        }
    }

    /// 1...65,535.
    package var packetIdentifier: UInt16
    /// 1...268,435,455, v5 only.
    package var subscriptionIdentifier: UInt32?
    /// At least one.
    package var filters: [Entry]
    /// v5 only.
    package var userProperties: [UserProperty]

    package init(
        packetIdentifier: UInt16, filters: [Entry], subscriptionIdentifier: UInt32? = nil,
        userProperties: [UserProperty] = []
    ) {
        self.packetIdentifier = packetIdentifier
        self.filters = filters
        self.subscriptionIdentifier = subscriptionIdentifier
        self.userProperties = userProperties
    }

    /// Decodes the SUBSCRIBE at `offset`, all of which must be there, and whose fixed header is `header`. Shared
    /// subscriptions are checked in v5, the only version that has them; `SharedFilter` takes them apart.
    package init(
        decoding bytes: Span<UInt8>, at offset: Int, header: FixedHeader, version: ProtocolVersion
    ) throws(ProtocolError) {
        var reader = try PacketReader(bytes, at: offset, header)
        self.init(packetIdentifier: try reader.packetIdentifier(), filters: [])
        if version == .v5 {
            let properties = try reader.properties(of: .subscribe, from: .client)
            subscriptionIdentifier = properties.subscriptionIdentifiers.first
            userProperties = properties.userProperties
        }
        while !reader.isAtEnd {
            let range = try reader.topicFilter(version)
            let options = try SubscriptionOptions(decoding: try reader.byte(), version: version)
            if version == .v5, options.noLocal, try SharedFilter(bytes.extracting(range)) != nil {
                throw .forbidden("a shared subscription with no local", "MQTT-3.8.3-4")
            }
            filters.append(Entry(filter: reader.string(range), options: options))
        }
        guard !filters.isEmpty else { throw .forbidden("a SUBSCRIBE without a topic filter", "MQTT-3.8.3-2") }
    }

    package func encode(into output: inout [UInt8], version: ProtocolVersion) {
        var writer = PacketWriter()
        writer.twoBytes(packetIdentifier)
        if version == .v5 {
            var properties = Properties()
            properties.subscriptionIdentifiers = subscriptionIdentifier.map { [$0] } ?? []
            properties.userProperties = userProperties
            writer.properties(properties)
        }
        for entry in filters {
            writer.string(entry.filter)
            writer.byte(version == .v5 ? entry.options.rawValue : entry.options.qos.rawValue)
        }
        writer.finish(PacketType.subscribe.firstByte, into: &output)
    }
}

extension PacketReader {
    /// A topic filter, which may be shared in v5.
    mutating func topicFilter(_ version: ProtocolVersion) throws(ProtocolError) -> Range<Int> {
        let range = try binary()
        let filter = bytes.extracting(range)
        try TopicFilter.check(filter)
        if version == .v5 { _ = try SharedFilter(filter) }
        return range
    }
}
