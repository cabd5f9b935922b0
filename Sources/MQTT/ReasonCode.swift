// Reason codes (MQTT 5 §2.4), which all versions use inside the broker. Called by everyone who refuses or acknowledges;
// `ReasonCode+Packets.swift` says which packets may carry which, `ReasonCode+Connack.swift` what 3.1.1 calls them.

/// Why, in one byte. Below 0x80 all went well. A structure, since 0x00 has several names.
package struct ReasonCode: RawRepresentable, Sendable, Hashable {
    package let rawValue: UInt8

    @inlinable @inline(__always)
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Whether it says that something failed.
    @inlinable @inline(__always)
    package var isFailure: Bool { rawValue >= 0x80 }
}

extension ReasonCode {
    @inlinable package static var success: Self { Self(rawValue: 0x00) }
    /// In DISCONNECT.
    @inlinable package static var normalDisconnection: Self { Self(rawValue: 0x00) }
    /// In SUBACK.
    @inlinable package static var grantedQoS0: Self { Self(rawValue: 0x00) }
    @inlinable package static var grantedQoS1: Self { Self(rawValue: 0x01) }
    @inlinable package static var grantedQoS2: Self { Self(rawValue: 0x02) }
    @inlinable package static var disconnectWithWill: Self { Self(rawValue: 0x04) }
    @inlinable package static var noMatchingSubscribers: Self { Self(rawValue: 0x10) }
    @inlinable package static var noSubscriptionExisted: Self { Self(rawValue: 0x11) }
    @inlinable package static var continueAuthentication: Self { Self(rawValue: 0x18) }
    @inlinable package static var reauthenticate: Self { Self(rawValue: 0x19) }
    @inlinable package static var unspecifiedError: Self { Self(rawValue: 0x80) }
    @inlinable package static var malformedPacket: Self { Self(rawValue: 0x81) }
    @inlinable package static var protocolError: Self { Self(rawValue: 0x82) }
    @inlinable package static var implementationSpecificError: Self { Self(rawValue: 0x83) }
    @inlinable package static var unsupportedProtocolVersion: Self { Self(rawValue: 0x84) }
    @inlinable package static var clientIdentifierNotValid: Self { Self(rawValue: 0x85) }
    @inlinable package static var badUserNameOrPassword: Self { Self(rawValue: 0x86) }
    @inlinable package static var notAuthorized: Self { Self(rawValue: 0x87) }
    @inlinable package static var serverUnavailable: Self { Self(rawValue: 0x88) }
    @inlinable package static var serverBusy: Self { Self(rawValue: 0x89) }
    @inlinable package static var banned: Self { Self(rawValue: 0x8A) }
    @inlinable package static var serverShuttingDown: Self { Self(rawValue: 0x8B) }
    @inlinable package static var badAuthenticationMethod: Self { Self(rawValue: 0x8C) }
    @inlinable package static var keepAliveTimeout: Self { Self(rawValue: 0x8D) }
    @inlinable package static var sessionTakenOver: Self { Self(rawValue: 0x8E) }
    @inlinable package static var topicFilterInvalid: Self { Self(rawValue: 0x8F) }
    @inlinable package static var topicNameInvalid: Self { Self(rawValue: 0x90) }
    @inlinable package static var packetIdentifierInUse: Self { Self(rawValue: 0x91) }
    @inlinable package static var packetIdentifierNotFound: Self { Self(rawValue: 0x92) }
    @inlinable package static var receiveMaximumExceeded: Self { Self(rawValue: 0x93) }
    @inlinable package static var topicAliasInvalid: Self { Self(rawValue: 0x94) }
    @inlinable package static var packetTooLarge: Self { Self(rawValue: 0x95) }
    @inlinable package static var messageRateTooHigh: Self { Self(rawValue: 0x96) }
    @inlinable package static var quotaExceeded: Self { Self(rawValue: 0x97) }
    @inlinable package static var administrativeAction: Self { Self(rawValue: 0x98) }
    @inlinable package static var payloadFormatInvalid: Self { Self(rawValue: 0x99) }
    @inlinable package static var retainNotSupported: Self { Self(rawValue: 0x9A) }
    @inlinable package static var qosNotSupported: Self { Self(rawValue: 0x9B) }
    @inlinable package static var useAnotherServer: Self { Self(rawValue: 0x9C) }
    @inlinable package static var serverMoved: Self { Self(rawValue: 0x9D) }
    @inlinable package static var sharedSubscriptionsNotSupported: Self { Self(rawValue: 0x9E) }
    @inlinable package static var connectionRateExceeded: Self { Self(rawValue: 0x9F) }
    @inlinable package static var maximumConnectTime: Self { Self(rawValue: 0xA0) }
    @inlinable package static var subscriptionIdentifiersNotSupported: Self { Self(rawValue: 0xA1) }
    @inlinable package static var wildcardSubscriptionsNotSupported: Self { Self(rawValue: 0xA2) }
}

extension ReasonCode: CustomStringConvertible {
    /// The specification's words in lower case, for logs; a number for codes that it does not define.
    package var description: String {
        switch self {
        case .success: "success"
        case .grantedQoS1: "granted QoS 1"
        case .grantedQoS2: "granted QoS 2"
        case .disconnectWithWill: "disconnect with will message"
        case .noMatchingSubscribers: "no matching subscribers"
        case .noSubscriptionExisted: "no subscription existed"
        case .continueAuthentication: "continue authentication"
        case .reauthenticate: "re-authenticate"
        case .unspecifiedError: "unspecified error"
        case .malformedPacket: "malformed packet"
        case .protocolError: "protocol error"
        case .implementationSpecificError: "implementation specific error"
        case .unsupportedProtocolVersion: "unsupported protocol version"
        case .clientIdentifierNotValid: "client identifier not valid"
        case .badUserNameOrPassword: "bad user name or password"
        case .notAuthorized: "not authorized"
        case .serverUnavailable: "server unavailable"
        case .serverBusy: "server busy"
        case .banned: "banned"
        case .serverShuttingDown: "server shutting down"
        case .badAuthenticationMethod: "bad authentication method"
        case .keepAliveTimeout: "keep alive timeout"
        case .sessionTakenOver: "session taken over"
        case .topicFilterInvalid: "topic filter invalid"
        case .topicNameInvalid: "topic name invalid"
        case .packetIdentifierInUse: "packet identifier in use"
        case .packetIdentifierNotFound: "packet identifier not found"
        case .receiveMaximumExceeded: "receive maximum exceeded"
        case .topicAliasInvalid: "topic alias invalid"
        case .packetTooLarge: "packet too large"
        case .messageRateTooHigh: "message rate too high"
        case .quotaExceeded: "quota exceeded"
        case .administrativeAction: "administrative action"
        case .payloadFormatInvalid: "payload format invalid"
        case .retainNotSupported: "retain not supported"
        case .qosNotSupported: "QoS not supported"
        case .useAnotherServer: "use another server"
        case .serverMoved: "server moved"
        case .sharedSubscriptionsNotSupported: "shared subscriptions not supported"
        case .connectionRateExceeded: "connection rate exceeded"
        case .maximumConnectTime: "maximum connect time"
        case .subscriptionIdentifiersNotSupported: "subscription identifiers not supported"
        case .wildcardSubscriptionsNotSupported: "wildcard subscriptions not supported"
        default: "reason code \(rawValue)"
        }
    }
}
