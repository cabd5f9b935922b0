// Which packets may carry which reason codes, and who may send them (the tables of MQTT 5 §2.4 and §3.2 to §3.15).

/// A set of packet types; a will counts as a packet of its own, since its properties are.
struct PacketSet: OptionSet {
    let rawValue: UInt16

    static let will = PacketSet(rawValue: 1)
    static let connect = PacketSet(.connect)
    static let connack = PacketSet(.connack)
    static let publish = PacketSet(.publish)
    static let puback = PacketSet(.puback)
    static let pubrec = PacketSet(.pubrec)
    static let pubrel = PacketSet(.pubrel)
    static let pubcomp = PacketSet(.pubcomp)
    static let subscribe = PacketSet(.subscribe)
    static let suback = PacketSet(.suback)
    static let unsubscribe = PacketSet(.unsubscribe)
    static let unsuback = PacketSet(.unsuback)
    static let disconnect = PacketSet(.disconnect)
    static let auth = PacketSet(.auth)

    init(rawValue: UInt16) { self.rawValue = rawValue }

    init(_ type: PacketType) { rawValue = 1 << UInt16(type.rawValue) }
}

extension ReasonCode {
    /// Whether `sender` may put this code into a packet of this type.
    package func isAllowed(in type: PacketType, from sender: Sender) -> Bool {
        let (client, server) = allowed
        return (sender == .client ? client : server).contains(PacketSet(type))
    }

    /// The packets that may carry this code, by sender; none for a code that is not defined.
    private var allowed: (client: PacketSet, server: PacketSet) {
        switch self {
        case .success:
            (
                [.puback, .pubrec, .pubrel, .pubcomp, .disconnect],
                [.connack, .puback, .pubrec, .pubrel, .pubcomp, .unsuback, .auth, .disconnect, .suback]
            )
        case .grantedQoS1, .grantedQoS2:
            ([], [.suback])
        case .disconnectWithWill:
            ([.disconnect], [])
        case .noMatchingSubscribers:
            ([], [.puback, .pubrec])
        case .noSubscriptionExisted:
            ([], [.unsuback])
        case .continueAuthentication:
            ([.auth], [.auth])
        case .reauthenticate:
            ([.auth], [])
        case .unspecifiedError, .implementationSpecificError:
            ([.puback, .pubrec, .disconnect], [.connack, .puback, .pubrec, .suback, .unsuback, .disconnect])
        case .malformedPacket, .protocolError, .packetTooLarge:
            ([.disconnect], [.connack, .disconnect])
        case .unsupportedProtocolVersion, .clientIdentifierNotValid, .badUserNameOrPassword, .serverUnavailable,
            .banned:
            ([], [.connack])
        case .notAuthorized:
            ([.puback, .pubrec], [.connack, .puback, .pubrec, .suback, .unsuback, .disconnect])
        case .serverBusy, .badAuthenticationMethod, .retainNotSupported, .qosNotSupported, .useAnotherServer,
            .serverMoved, .connectionRateExceeded:
            ([], [.connack, .disconnect])
        case .serverShuttingDown, .keepAliveTimeout, .sessionTakenOver, .maximumConnectTime:
            ([], [.disconnect])
        case .topicFilterInvalid:
            ([], [.suback, .unsuback, .disconnect])
        case .topicNameInvalid, .payloadFormatInvalid:
            ([.puback, .pubrec, .disconnect], [.connack, .puback, .pubrec, .disconnect])
        case .packetIdentifierInUse:
            ([.puback, .pubrec], [.puback, .pubrec, .suback, .unsuback])
        case .packetIdentifierNotFound:
            ([.pubrel, .pubcomp], [.pubrel, .pubcomp])
        case .receiveMaximumExceeded, .topicAliasInvalid, .messageRateTooHigh, .administrativeAction:
            ([.disconnect], [.disconnect])
        case .quotaExceeded:
            ([.puback, .pubrec, .disconnect], [.connack, .puback, .pubrec, .suback, .disconnect])
        case .sharedSubscriptionsNotSupported, .subscriptionIdentifiersNotSupported,
            .wildcardSubscriptionsNotSupported:
            ([], [.suback, .disconnect])
        default:
            ([], [])
        }
    }
}
