// Random packets that the specification allows, of every kind, with every property.

import MQTT

extension SplitMix64 {
    mutating func string(atMost limit: Int = 12) -> String {
        let characters: [Character] = ["a", "Z", "0", " ", "/", "é", "€", "😀", "\u{7F}", "\u{1}"]
        return String((0..<Int.random(in: 0...limit, using: &self)).map { _ in pick(characters) })
    }

    mutating func binary(atMost limit: Int = 20) -> [UInt8] {
        (0..<Int.random(in: 0...limit, using: &self)).map { _ in UInt8.random(in: 0...255, using: &self) }
    }

    mutating func topic() -> String { pick(["a", "$SYS/", "/", "é/"]) + string() }

    mutating func filter(_ version: ProtocolVersion) -> String {
        let share = version == .v5 && once(in: 3) ? "$share/group/" : ""
        return share + pick(["#", "+", "a/#", "+/+/b", "//", "a/+/#", topic()])
    }

    mutating func identifier() -> UInt16 { pick([1, .max, UInt16.random(in: 1...UInt16.max, using: &self)]) }

    mutating func userProperties() -> [UserProperty] {
        (0..<pick([0, 0, 1, 3])).map { _ in UserProperty(string(), string()) }
    }

    /// Every property with even odds; `keep` leaves in those that the packet may carry.
    mutating func properties(_ keep: (Properties, inout Properties) -> Void) -> Properties {
        var all = Properties()
        if once(in: 2) { all.payloadFormatIndicator = once(in: 2) }
        if once(in: 2) { all.messageExpiryInterval = UInt32.random(in: 0...UInt32.max, using: &self) }
        if once(in: 2) { all.contentType = string() }
        if once(in: 2) { all.responseTopic = topic() }
        if once(in: 2) { all.correlationData = binary() }
        all.subscriptionIdentifiers = (0..<pick([0, 1, 3])).map { _ in pick([1, 127, 128, 16_384, 268_435_455]) }
        if once(in: 2) { all.sessionExpiryInterval = pick([0, 1, .max]) }
        if once(in: 2) { all.assignedClientIdentifier = string() }
        if once(in: 2) { all.serverKeepAlive = pick([0, 1, .max]) }
        if once(in: 2) { all.authenticationMethod = string() }
        if all.authenticationMethod != nil, once(in: 2) { all.authenticationData = binary() }
        if once(in: 2) { all.requestProblemInformation = once(in: 2) }
        if once(in: 2) { all.willDelayInterval = pick([0, 1, .max]) }
        if once(in: 2) { all.requestResponseInformation = once(in: 2) }
        if once(in: 2) { all.responseInformation = string() }
        if once(in: 2) { all.serverReference = string() }
        if once(in: 2) { all.reasonString = string() }
        if once(in: 2) { all.receiveMaximum = identifier() }
        if once(in: 2) { all.topicAliasMaximum = pick([0, 1, .max]) }
        if once(in: 2) { all.topicAlias = identifier() }
        if once(in: 2) { all.maximumQoS = pick([.atMostOnce, .atLeastOnce]) }
        if once(in: 2) { all.retainAvailable = once(in: 2) }
        if once(in: 2) { all.maximumPacketSize = pick([1, .max]) }
        if once(in: 2) { all.wildcardSubscriptionAvailable = once(in: 2) }
        if once(in: 2) { all.subscriptionIdentifierAvailable = once(in: 2) }
        if once(in: 2) { all.sharedSubscriptionAvailable = once(in: 2) }
        var kept = Properties()
        keep(all, &kept)
        kept.userProperties = userProperties()
        return kept
    }

    /// A packet that `sender` may send in `version`.
    mutating func packet(_ type: PacketType, _ version: ProtocolVersion, from sender: Sender) -> Packet {
        let v5 = version == .v5
        switch type {
        case .connect: return .connect(connect(version))
        case .connack:
            let code = pick(ReasonCode.all(in: type, from: sender, version))
            return .connack(
                Connack(
                    sessionPresent: code == .success && version != .v3_1 && once(in: 2), reason: code,
                    properties: v5 ? connackProperties() : Properties()))
        case .publish: return .publish(publish(version, from: sender))
        case .puback, .pubrec, .pubrel, .pubcomp:
            var packet = Acknowledgement(type, packetIdentifier: identifier())
            if v5 {
                packet.reason = pick(ReasonCode.all(in: type, from: sender, version))
                if once(in: 2) { packet.properties = properties { $1.reasonString = $0.reasonString } }
            }
            return .acknowledgement(packet)
        case .subscribe:
            let filters = (0..<pick([1, 2, 7])).map { _ in entry(version) }
            return .subscribe(
                Subscribe(
                    packetIdentifier: identifier(), filters: filters,
                    subscriptionIdentifier: v5 ? pick([nil, 1, 128, 268_435_455]) : nil,
                    userProperties: v5 ? userProperties() : []))
        case .suback:
            let codes = ReasonCode.all(in: type, from: sender, version)
            return .suback(
                Suback(
                    packetIdentifier: identifier(), reasons: (0..<pick([1, 2, 9])).map { _ in pick(codes) },
                    properties: v5 ? properties { $1.reasonString = $0.reasonString } : Properties()))
        case .unsubscribe:
            return .unsubscribe(
                Unsubscribe(
                    packetIdentifier: identifier(), filters: (0..<pick([1, 2, 7])).map { _ in filter(version) },
                    userProperties: v5 ? userProperties() : []))
        case .unsuback:
            let codes = ReasonCode.all(in: type, from: sender, version)
            return .unsuback(
                Unsuback(
                    packetIdentifier: identifier(),
                    reasons: v5 ? (0..<pick([1, 2, 9])).map { _ in pick(codes) } : [],
                    properties: v5 ? properties { $1.reasonString = $0.reasonString } : Properties()))
        case .pingreq: return .pingreq
        case .pingresp: return .pingresp
        case .disconnect:
            guard v5 else { return .disconnect(Disconnect()) }
            return .disconnect(
                Disconnect(
                    reason: pick(ReasonCode.all(in: type, from: sender, version)),
                    properties: properties {
                        if sender == .client { $1.sessionExpiryInterval = $0.sessionExpiryInterval }
                        $1.reasonString = $0.reasonString
                        $1.serverReference = $0.serverReference
                    }))
        case .auth:
            return .auth(
                Auth(
                    reason: pick(ReasonCode.all(in: type, from: sender, version)),
                    properties: properties {
                        $1.authenticationMethod = $0.authenticationMethod ?? "method"
                        $1.authenticationData = $0.authenticationData
                        $1.reasonString = $0.reasonString
                    }))
        }
    }

    private mutating func connect(_ version: ProtocolVersion) -> Connect {
        var connect = Connect(
            version: version, clientIdentifier: "c" + string(), cleanStart: once(in: 2),
            keepAlive: pick([0, 60, .max]))
        if once(in: 2) {
            connect.will = Will(
                topic: topic(), payload: binary(), qos: pick(QoS.allCases), retain: once(in: 2),
                properties: version == .v5
                    ? properties {
                        $1.payloadFormatIndicator = $0.payloadFormatIndicator
                        $1.messageExpiryInterval = $0.messageExpiryInterval
                        $1.contentType = $0.contentType
                        $1.responseTopic = $0.responseTopic
                        $1.correlationData = $0.correlationData
                        $1.willDelayInterval = $0.willDelayInterval
                    } : Properties())
        }
        if once(in: 2) { connect.username = string() }
        if connect.username != nil || version == .v5, once(in: 2) { connect.password = binary() }
        if version == .v5 {
            connect.properties = properties {
                $1.sessionExpiryInterval = $0.sessionExpiryInterval
                $1.authenticationMethod = $0.authenticationMethod
                $1.authenticationData = $0.authenticationData
                $1.requestProblemInformation = $0.requestProblemInformation
                $1.requestResponseInformation = $0.requestResponseInformation
                $1.receiveMaximum = $0.receiveMaximum
                $1.topicAliasMaximum = $0.topicAliasMaximum
                $1.maximumPacketSize = $0.maximumPacketSize
            }
        }
        return connect
    }

    private mutating func connackProperties() -> Properties {
        properties {
            $1.sessionExpiryInterval = $0.sessionExpiryInterval
            $1.assignedClientIdentifier = $0.assignedClientIdentifier
            $1.serverKeepAlive = $0.serverKeepAlive
            $1.authenticationMethod = $0.authenticationMethod
            $1.authenticationData = $0.authenticationData
            $1.responseInformation = $0.responseInformation
            $1.serverReference = $0.serverReference
            $1.reasonString = $0.reasonString
            $1.receiveMaximum = $0.receiveMaximum
            $1.topicAliasMaximum = $0.topicAliasMaximum
            $1.maximumQoS = $0.maximumQoS
            $1.retainAvailable = $0.retainAvailable
            $1.maximumPacketSize = $0.maximumPacketSize
            $1.wildcardSubscriptionAvailable = $0.wildcardSubscriptionAvailable
            $1.subscriptionIdentifierAvailable = $0.subscriptionIdentifierAvailable
            $1.sharedSubscriptionAvailable = $0.sharedSubscriptionAvailable
        }
    }

    mutating func publish(_ version: ProtocolVersion, from sender: Sender) -> Publish {
        let qos = pick(QoS.allCases)
        var publish = Publish(
            topic: topic(), payload: binary(atMost: pick([0, 20, 300])), qos: qos, retain: once(in: 2),
            duplicate: qos != .atMostOnce && once(in: 2), packetIdentifier: qos == .atMostOnce ? 0 : identifier())
        if version == .v5 {
            publish.properties = properties {
                $1.payloadFormatIndicator = $0.payloadFormatIndicator
                $1.messageExpiryInterval = $0.messageExpiryInterval
                $1.contentType = $0.contentType
                $1.responseTopic = $0.responseTopic
                $1.correlationData = $0.correlationData
                $1.topicAlias = $0.topicAlias
                if sender == .server { $1.subscriptionIdentifiers = $0.subscriptionIdentifiers }
            }
            if publish.properties.topicAlias != nil, once(in: 2) { publish.topic = "" }
        }
        return publish
    }

    private mutating func entry(_ version: ProtocolVersion) -> Subscribe.Entry {
        let filter = filter(version)
        var options = SubscriptionOptions(qos: pick(QoS.allCases))
        if version == .v5 {
            options.noLocal = !filter.hasPrefix("$share/") && once(in: 2)
            options.retainAsPublished = once(in: 2)
            options.retainHandling = pick(RetainHandling.allCases)
        }
        return Subscribe.Entry(filter: filter, options: options)
    }
}

extension ReasonCode {
    /// The reasons that `sender` may put into a packet of this type.
    static func all(in type: PacketType, from sender: Sender, _ version: ProtocolVersion) -> [ReasonCode] {
        if version != .v5 {
            return type == .connack
                ? (0...5).compactMap { ReasonCode(connackReturnCode: $0) }
                : [.grantedQoS0, .grantedQoS1, .grantedQoS2, .unspecifiedError]
        }
        return (0...255).map { ReasonCode(rawValue: $0) }.filter { $0.isAllowed(in: type, from: sender) }
    }
}
