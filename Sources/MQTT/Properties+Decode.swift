// Copies properties out of a packet. Called by the decoders of all cold packets, and by those who want the properties
// of a `PublishHeader`.

extension Properties {
    /// Decodes the properties in `range`, which is without their length, of a packet that `sender` sent.
    package init(
        decoding bytes: Span<UInt8>, _ range: Range<Int>, of type: PacketType, from sender: Sender
    ) throws(ProtocolError) {
        try self.init(decoding: bytes, range, as: PacketSet(type), from: sender)
    }

    init(
        decoding bytes: Span<UInt8>, _ range: Range<Int>, as packet: PacketSet, from sender: Sender
    ) throws(ProtocolError) {
        self.init()
        var cursor = PropertyCursor(bytes, range, of: packet, from: sender)
        while let property = try cursor.next() { keep(property, cursor.reader) }
    }

    private mutating func keep(_ found: FoundProperty, _ reader: borrowing PacketReader) {
        switch found.identifier {
        case .payloadFormatIndicator: payloadFormatIndicator = found.number == 1
        case .messageExpiryInterval: messageExpiryInterval = UInt32(found.number)
        case .contentType: contentType = reader.string(found.range)
        case .responseTopic: responseTopic = reader.string(found.range)
        case .correlationData: correlationData = reader.array(found.range)
        case .subscriptionIdentifier: subscriptionIdentifiers.append(UInt32(found.number))
        case .sessionExpiryInterval: sessionExpiryInterval = UInt32(found.number)
        case .assignedClientIdentifier: assignedClientIdentifier = reader.string(found.range)
        case .serverKeepAlive: serverKeepAlive = UInt16(found.number)
        case .authenticationMethod: authenticationMethod = reader.string(found.range)
        case .authenticationData: authenticationData = reader.array(found.range)
        case .requestProblemInformation: requestProblemInformation = found.number == 1
        case .willDelayInterval: willDelayInterval = UInt32(found.number)
        case .requestResponseInformation: requestResponseInformation = found.number == 1
        case .responseInformation: responseInformation = reader.string(found.range)
        case .serverReference: serverReference = reader.string(found.range)
        case .reasonString: reasonString = reader.string(found.range)
        case .receiveMaximum: receiveMaximum = UInt16(found.number)
        case .topicAliasMaximum: topicAliasMaximum = UInt16(found.number)
        case .topicAlias: topicAlias = UInt16(found.number)
        case .maximumQoS: maximumQoS = found.number == 0 ? .atMostOnce : .atLeastOnce
        case .retainAvailable: retainAvailable = found.number == 1
        case .userProperty:
            userProperties.append(UserProperty(reader.string(found.range), reader.string(found.second)))
        case .maximumPacketSize: maximumPacketSize = UInt32(found.number)
        case .wildcardSubscriptionAvailable: wildcardSubscriptionAvailable = found.number == 1
        case .subscriptionIdentifierAvailable: subscriptionIdentifierAvailable = found.number == 1
        case .sharedSubscriptionAvailable: sharedSubscriptionAvailable = found.number == 1
        }
    }
}

extension PacketReader {
    /// Properties behind their length.
    mutating func properties(of packet: PacketSet, from sender: Sender) throws(ProtocolError) -> Properties {
        let count = try variable()
        return try Properties(decoding: bytes, try range(count), as: packet, from: sender)
    }
}
