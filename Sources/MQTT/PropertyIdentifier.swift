// The properties of MQTT 5 as a table: what each is called, what it holds, which packets may carry it
// (MQTT 5 §2.2.2.2).

/// A property's identifier. On the wire a Variable Byte Integer, but all of them fit one byte.
package enum PropertyIdentifier: UInt8, CaseIterable, Sendable {
    case payloadFormatIndicator = 0x01
    case messageExpiryInterval = 0x02
    case contentType = 0x03
    case responseTopic = 0x08
    case correlationData = 0x09
    case subscriptionIdentifier = 0x0B
    case sessionExpiryInterval = 0x11
    case assignedClientIdentifier = 0x12
    case serverKeepAlive = 0x13
    case authenticationMethod = 0x15
    case authenticationData = 0x16
    case requestProblemInformation = 0x17
    case willDelayInterval = 0x18
    case requestResponseInformation = 0x19
    case responseInformation = 0x1A
    case serverReference = 0x1C
    case reasonString = 0x1F
    case receiveMaximum = 0x21
    case topicAliasMaximum = 0x22
    case topicAlias = 0x23
    case maximumQoS = 0x24
    case retainAvailable = 0x25
    case userProperty = 0x26
    case maximumPacketSize = 0x27
    case wildcardSubscriptionAvailable = 0x28
    case subscriptionIdentifierAvailable = 0x29
    case sharedSubscriptionAvailable = 0x2A
}

/// What a property holds.
enum PropertyKind {
    /// A byte that is 0 or 1.
    case boolean
    case twoBytes, fourBytes
    /// Two or four bytes that must not be 0.
    case twoBytesNotZero, fourBytesNotZero
    /// A Variable Byte Integer that must not be 0.
    case variableNotZero
    case string
    /// A string that must be a topic name.
    case topicName
    case binary
    case stringPair
}

extension PropertyIdentifier {
    /// The table: what it holds, and where it may stand.
    var rule: (kind: PropertyKind, packets: PacketSet) {
        switch self {
        case .payloadFormatIndicator: (.boolean, [.publish, .will])
        case .messageExpiryInterval: (.fourBytes, [.publish, .will])
        case .contentType: (.string, [.publish, .will])
        case .responseTopic: (.topicName, [.publish, .will])
        case .correlationData: (.binary, [.publish, .will])
        case .subscriptionIdentifier: (.variableNotZero, [.publish, .subscribe])
        case .sessionExpiryInterval: (.fourBytes, [.connect, .connack, .disconnect])
        case .assignedClientIdentifier: (.string, [.connack])
        case .serverKeepAlive: (.twoBytes, [.connack])
        case .authenticationMethod: (.string, [.connect, .connack, .auth])
        case .authenticationData: (.binary, [.connect, .connack, .auth])
        case .requestProblemInformation: (.boolean, [.connect])
        case .willDelayInterval: (.fourBytes, [.will])
        case .requestResponseInformation: (.boolean, [.connect])
        case .responseInformation: (.string, [.connack])
        case .serverReference: (.string, [.connack, .disconnect])
        case .reasonString:
            (
                .string,
                [.connack, .puback, .pubrec, .pubrel, .pubcomp, .suback, .unsuback, .disconnect, .auth]
            )
        case .receiveMaximum: (.twoBytesNotZero, [.connect, .connack])
        case .topicAliasMaximum: (.twoBytes, [.connect, .connack])
        case .topicAlias: (.twoBytesNotZero, [.publish])
        case .maximumQoS: (.boolean, [.connack])
        case .retainAvailable: (.boolean, [.connack])
        case .userProperty: (.stringPair, PacketSet(rawValue: .max))
        case .maximumPacketSize: (.fourBytesNotZero, [.connect, .connack])
        case .wildcardSubscriptionAvailable: (.boolean, [.connack])
        case .subscriptionIdentifierAvailable: (.boolean, [.connack])
        case .sharedSubscriptionAvailable: (.boolean, [.connack])
        }
    }
}
