// The properties of an MQTT 5 packet with storage of their own, for the packets that are not hot. Whether a packet may
// carry a property is checked when it is decoded, not when it is encoded.

/// A name and a value that mean something to the applications only (MQTT 5 §3.1.2.11.8).
package struct UserProperty: Sendable, Hashable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// All properties that MQTT 5 defines (§2.2.2.2); nil: absent, which has a meaning of its own for each.
package struct Properties: Sendable, Equatable {
    /// Whether the payload is UTF-8 text.
    package var payloadFormatIndicator: Bool?
    /// Seconds.
    package var messageExpiryInterval: UInt32?
    package var contentType: String?
    package var responseTopic: String?
    package var correlationData: [UInt8]?
    /// 1...268,435,455 each; several in a server's PUBLISH only.
    package var subscriptionIdentifiers: [UInt32] = []
    /// Seconds; `UInt32.max`: never.
    package var sessionExpiryInterval: UInt32?
    package var assignedClientIdentifier: String?
    /// Seconds.
    package var serverKeepAlive: UInt16?
    package var authenticationMethod: String?
    package var authenticationData: [UInt8]?
    package var requestProblemInformation: Bool?
    /// Seconds.
    package var willDelayInterval: UInt32?
    package var requestResponseInformation: Bool?
    package var responseInformation: String?
    package var serverReference: String?
    package var reasonString: String?
    /// 1...65,535 packets.
    package var receiveMaximum: UInt16?
    package var topicAliasMaximum: UInt16?
    /// 1...65,535.
    package var topicAlias: UInt16?
    /// At most once or at least once: absent means exactly once, which can not be written.
    package var maximumQoS: QoS?
    package var retainAvailable: Bool?
    /// In the order of the packet; names may repeat.
    package var userProperties: [UserProperty] = []
    /// Bytes, from 1.
    package var maximumPacketSize: UInt32?
    package var wildcardSubscriptionAvailable: Bool?
    package var subscriptionIdentifierAvailable: Bool?
    package var sharedSubscriptionAvailable: Bool?

    package init() {}

    package var isEmpty: Bool { self == Properties() }
}
