// Writes properties in the order of their identifiers, the user's last and in theirs.

extension Properties {
    /// Appends the properties behind their length, as every v5 packet has them.
    package func encode(into output: inout [UInt8]) {
        var writer = PacketWriter()
        writer.property(.payloadFormatIndicator, payloadFormatIndicator)
        writer.property(.messageExpiryInterval, messageExpiryInterval)
        writer.property(.contentType, contentType)
        writer.property(.responseTopic, responseTopic)
        writer.property(.correlationData, correlationData)
        for identifier in subscriptionIdentifiers {
            writer.byte(PropertyIdentifier.subscriptionIdentifier.rawValue)
            writer.variable(Int(identifier))
        }
        writer.property(.sessionExpiryInterval, sessionExpiryInterval)
        writer.property(.assignedClientIdentifier, assignedClientIdentifier)
        writer.property(.serverKeepAlive, serverKeepAlive)
        writer.property(.authenticationMethod, authenticationMethod)
        writer.property(.authenticationData, authenticationData)
        writer.property(.requestProblemInformation, requestProblemInformation)
        writer.property(.willDelayInterval, willDelayInterval)
        writer.property(.requestResponseInformation, requestResponseInformation)
        writer.property(.responseInformation, responseInformation)
        writer.property(.serverReference, serverReference)
        writer.property(.reasonString, reasonString)
        writer.property(.receiveMaximum, receiveMaximum)
        writer.property(.topicAliasMaximum, topicAliasMaximum)
        writer.property(.topicAlias, topicAlias)
        // MQTT 5 §3.2.2.3.4: exactly once is said by leaving it out.
        writer.property(.maximumQoS, maximumQoS == .exactlyOnce ? nil : maximumQoS.map { $0 == .atLeastOnce })
        writer.property(.retainAvailable, retainAvailable)
        writer.property(.maximumPacketSize, maximumPacketSize)
        writer.property(.wildcardSubscriptionAvailable, wildcardSubscriptionAvailable)
        writer.property(.subscriptionIdentifierAvailable, subscriptionIdentifierAvailable)
        writer.property(.sharedSubscriptionAvailable, sharedSubscriptionAvailable)
        for property in userProperties {
            writer.byte(PropertyIdentifier.userProperty.rawValue)
            writer.string(property.name)
            writer.string(property.value)
        }
        VariableByteInteger.append(writer.bytes.count, to: &output)
        output += writer.bytes
    }
}

extension PacketWriter {
    fileprivate mutating func property(_ identifier: PropertyIdentifier, _ value: Bool?) {
        guard let value else { return }
        byte(identifier.rawValue)
        byte(value ? 1 : 0)
    }

    fileprivate mutating func property(_ identifier: PropertyIdentifier, _ value: UInt16?) {
        guard let value else { return }
        byte(identifier.rawValue)
        twoBytes(value)
    }

    fileprivate mutating func property(_ identifier: PropertyIdentifier, _ value: UInt32?) {
        guard let value else { return }
        byte(identifier.rawValue)
        fourBytes(value)
    }

    fileprivate mutating func property(_ identifier: PropertyIdentifier, _ value: String?) {
        guard let value else { return }
        byte(identifier.rawValue)
        string(value)
    }

    fileprivate mutating func property(_ identifier: PropertyIdentifier, _ value: [UInt8]?) {
        guard let value else { return }
        byte(identifier.rawValue)
        binary(value)
    }
}
