// Packets as the specifications write them, by hand and one by one: what their bytes mean, in both directions.

import MQTT
import Testing

/// Bytes and the packet that they are.
struct Golden: CustomTestStringConvertible, Sendable {
    let name: String
    let version: ProtocolVersion
    let sender: Sender
    let bytes: [UInt8]
    let packet: Packet
    /// Whether encoding the packet gives these very bytes: not so where a longer or an older form is accepted.
    let canonical: Bool

    init(
        _ name: String, _ version: ProtocolVersion, _ sender: Sender, _ notation: String, _ packet: Packet,
        canonical: Bool = true
    ) {
        self.name = name
        self.version = version
        self.sender = sender
        self.bytes = MQTTTests.bytes(notation)
        self.packet = packet
        self.canonical = canonical
    }

    var testDescription: String { name }

    static let all = connects + connacks + publishes + acknowledgements + subscriptions + endings

    static func properties(_ change: (inout Properties) -> Void) -> Properties {
        var properties = Properties()
        change(&properties)
        return properties
    }

    static let connects: [Golden] = [
        Golden(
            "3.1 CONNECT", .v3_1, .client, "10 0F 0006'MQIsdp' 03 02 003C 0001'a'",
            .connect(Connect(version: .v3_1, clientIdentifier: "a", keepAlive: 60))),
        Golden(
            "3.1 CONNECT with flags of a user name and password that are missing (MQTT 3.1 §3.1)", .v3_1, .client,
            "10 0F 0006'MQIsdp' 03 C2 003C 0001'a'",
            .connect(Connect(version: .v3_1, clientIdentifier: "a", keepAlive: 60)), canonical: false),
        Golden(
            "3.1 CONNECT with flags that 3.1 gives no meaning", .v3_1, .client,
            "10 0F 0006'MQIsdp' 03 2B 003C 0001'a'",
            .connect(Connect(version: .v3_1, clientIdentifier: "a", keepAlive: 60)), canonical: false),
        Golden(
            "3.1 CONNECT with 24 characters of client identifier", .v3_1, .client,
            "10 26 0006'MQIsdp' 03 02 0000 0018'abcdefghijklmnopqrstuvwx'",
            .connect(Connect(version: .v3_1, clientIdentifier: "abcdefghijklmnopqrstuvwx"))),
        Golden(
            "3.1.1 CONNECT with nothing", .v3_1_1, .client, "10 0C 0004'MQTT' 04 02 0000 0000",
            .connect(Connect(version: .v3_1_1, clientIdentifier: ""))),
        Golden(
            "3.1.1 CONNECT with everything", .v3_1_1, .client,
            "10 1E 0004'MQTT' 04 EC FFFF 0001'c' 0003'w/t' 0002 00FF 0002'me' 0002'pw'",
            .connect(
                Connect(
                    version: .v3_1_1, clientIdentifier: "c", cleanStart: false, keepAlive: 65535,
                    will: Will(topic: "w/t", payload: [0, 255], qos: .atLeastOnce, retain: true), username: "me",
                    password: Array("pw".utf8)))),
        Golden(
            "3.1.1 CONNECT whose remaining length has an empty byte", .v3_1_1, .client,
            "10 8C00 0004'MQTT' 04 02 0000 0000", .connect(Connect(version: .v3_1_1, clientIdentifier: "")),
            canonical: false),
        Golden(
            "5 CONNECT with nothing", .v5, .client, "10 0D 0004'MQTT' 05 02 0000 00 0000",
            .connect(Connect(version: .v5, clientIdentifier: ""))),
        Golden(
            "5 CONNECT with an empty client identifier and no clean start", .v5, .client,
            "10 0D 0004'MQTT' 05 00 0000 00 0000",
            .connect(Connect(version: .v5, clientIdentifier: "", cleanStart: false))),
        Golden(
            "5 CONNECT with a password but no user name", .v5, .client,
            "10 10 0004'MQTT' 05 42 0000 00 0000 0001'p'",
            .connect(Connect(version: .v5, clientIdentifier: "", password: Array("p".utf8)))),
        Golden(
            "5 CONNECT with every property", .v5, .client,
            """
            10 38 0004'MQTT' 05 02 000A
            2B 11 00000E10 15 0001'm' 16 0002 0001 17 00 19 01 21 0014 22 000A 27 00010000
            26 0001'k' 0001'v' 26 0001'k' 0001'w'
            0000
            """,
            .connect(
                Connect(
                    version: .v5, clientIdentifier: "", keepAlive: 10,
                    properties: properties {
                        $0.sessionExpiryInterval = 3600
                        $0.authenticationMethod = "m"
                        $0.authenticationData = [0, 1]
                        $0.requestProblemInformation = false
                        $0.requestResponseInformation = true
                        $0.receiveMaximum = 20
                        $0.topicAliasMaximum = 10
                        $0.maximumPacketSize = 65536
                        $0.userProperties = [UserProperty("k", "v"), UserProperty("k", "w")]
                    }))),
        Golden(
            "5 CONNECT with every property of a will", .v5, .client,
            """
            10 3B 0004'MQTT' 05 36 0000 00 0001'c'
            26 01 01 02 0000003C 03 0001't' 08 0003'r/t' 09 0001 07 18 00000005 26 0001'a' 0001'b' 26 0000 0000
            0001'w' 0001'p'
            """,
            .connect(
                Connect(
                    version: .v5, clientIdentifier: "c",
                    will: Will(
                        topic: "w", payload: Array("p".utf8), qos: .exactlyOnce, retain: true,
                        properties: properties {
                            $0.payloadFormatIndicator = true
                            $0.messageExpiryInterval = 60
                            $0.contentType = "t"
                            $0.responseTopic = "r/t"
                            $0.correlationData = [7]
                            $0.willDelayInterval = 5
                            $0.userProperties = [UserProperty("a", "b"), UserProperty("", "")]
                        })))),
    ]

    static let connacks: [Golden] = [
        Golden("3.1 CONNACK", .v3_1, .server, "20 02 00 00", .connack(Connack())),
        Golden(
            "3.1 CONNACK with a reserved byte that is not 0", .v3_1, .server, "20 02 01 00", .connack(Connack()),
            canonical: false),
        Golden(
            "3.1.1 CONNACK with a session", .v3_1_1, .server, "20 02 01 00", .connack(Connack(sessionPresent: true))),
        Golden(
            "3.1.1 CONNACK: version refused", .v3_1_1, .server, "20 02 00 01",
            .connack(Connack(reason: .unsupportedProtocolVersion))),
        Golden(
            "3.1.1 CONNACK: not authorized", .v3_1_1, .server, "20 02 00 05",
            .connack(Connack(reason: .notAuthorized))),
        Golden("5 CONNACK", .v5, .server, "20 03 00 00 00", .connack(Connack())),
        Golden("5 CONNACK: banned", .v5, .server, "20 03 00 8A 00", .connack(Connack(reason: .banned))),
        Golden(
            "5 CONNACK with every property", .v5, .server,
            """
            20 46 01 00
            43 11 FFFFFFFF 12 0002'id' 13 003C 15 0001'm' 16 0001 00 1A 0002'ri' 1C 0002'sr' 1F 0003'why'
            21 0001 22 FFFF 24 01 25 00 27 00000001 28 00 29 01 2A 00 26 0001'k' 0003 E282AC
            """,
            .connack(
                Connack(
                    sessionPresent: true,
                    properties: properties {
                        $0.sessionExpiryInterval = .max
                        $0.assignedClientIdentifier = "id"
                        $0.serverKeepAlive = 60
                        $0.authenticationMethod = "m"
                        $0.authenticationData = [0]
                        $0.responseInformation = "ri"
                        $0.serverReference = "sr"
                        $0.reasonString = "why"
                        $0.receiveMaximum = 1
                        $0.topicAliasMaximum = .max
                        $0.maximumQoS = .atLeastOnce
                        $0.retainAvailable = false
                        $0.maximumPacketSize = 1
                        $0.wildcardSubscriptionAvailable = false
                        $0.subscriptionIdentifierAvailable = true
                        $0.sharedSubscriptionAvailable = false
                        $0.userProperties = [UserProperty("k", "€")]
                    }))),
    ]

    static let publishes: [Golden] = [
        Golden(
            "3.1.1 PUBLISH", .v3_1_1, .client, "30 07 0003'a/b' 'hi'",
            .publish(Publish(topic: "a/b", payload: Array("hi".utf8)))),
        Golden(
            "3.1.1 PUBLISH without a payload, retained", .v3_1_1, .client, "31 03 0001'a'",
            .publish(Publish(topic: "a", payload: [], retain: true))),
        Golden(
            "3.1.1 PUBLISH at QoS 1, sent again", .v3_1_1, .server, "3A 06 0001'a' 0102 'x'",
            .publish(
                Publish(
                    topic: "a", payload: Array("x".utf8), qos: .atLeastOnce, duplicate: true, packetIdentifier: 0x102))
        ),
        Golden(
            "3.1 PUBLISH at QoS 0 with DUP", .v3_1, .client, "38 03 0001'a'",
            .publish(Publish(topic: "a", payload: [], duplicate: true))),
        Golden(
            "3.1 PUBLISH at QoS 2", .v3_1, .client, "34 05 0001'a' FFFF",
            .publish(Publish(topic: "a", payload: [], qos: .exactlyOnce, packetIdentifier: .max))),
        Golden(
            "PUBLISH with a topic beyond ASCII", .v3_1_1, .client, "30 09 0007'$'E282AC'/é'",
            .publish(Publish(topic: "$€/é", payload: []))),
        Golden(
            "5 PUBLISH", .v5, .client, "30 05 0001'a' 00 'x'",
            .publish(Publish(topic: "a", payload: Array("x".utf8)))),
        Golden(
            "5 PUBLISH with an alias for its topic (MQTT 5 §3.3.2.3.4)", .v5, .client, "32 08 0000 0001 03 230002",
            .publish(
                Publish(
                    topic: "", payload: [], qos: .atLeastOnce, packetIdentifier: 1,
                    properties: properties { $0.topicAlias = 2 }))),
        Golden(
            "5 PUBLISH with every property", .v5, .server,
            """
            34 31 0001't' 0007
            29 01 00 02 00000001 03 0001'c' 08 0001'r' 09 0000 0B 01 0B FFFFFF7F 23 0001 26 0001'z' 0000
               26 0001'a' 0001'b'
            'xy'
            """,
            .publish(
                Publish(
                    topic: "t", payload: Array("xy".utf8), qos: .exactlyOnce, packetIdentifier: 7,
                    properties: properties {
                        $0.payloadFormatIndicator = false
                        $0.messageExpiryInterval = 1
                        $0.contentType = "c"
                        $0.responseTopic = "r"
                        $0.correlationData = []
                        $0.subscriptionIdentifiers = [1, 268_435_455]
                        $0.topicAlias = 1
                        $0.userProperties = [UserProperty("z", ""), UserProperty("a", "b")]
                    }))),
    ]

    static let acknowledgements: [Golden] = [
        Golden(
            "3.1 PUBACK", .v3_1, .client, "40 02 0001", .acknowledgement(Acknowledgement(.puback, packetIdentifier: 1))
        ),
        Golden(
            "3.1 PUBREL with DUP (MQTT 3.1 §2.1)", .v3_1, .client, "6A 02 0001",
            .acknowledgement(Acknowledgement(.pubrel, packetIdentifier: 1)), canonical: false),
        Golden(
            "3.1.1 PUBACK", .v3_1_1, .server, "40 02 0001",
            .acknowledgement(Acknowledgement(.puback, packetIdentifier: 1))),
        Golden(
            "3.1.1 PUBREC", .v3_1_1, .client, "50 02 0001",
            .acknowledgement(Acknowledgement(.pubrec, packetIdentifier: 1))),
        Golden(
            "3.1.1 PUBREL", .v3_1_1, .server, "62 02 FFFF",
            .acknowledgement(Acknowledgement(.pubrel, packetIdentifier: .max))),
        Golden(
            "3.1.1 PUBCOMP", .v3_1_1, .client, "70 02 0100",
            .acknowledgement(Acknowledgement(.pubcomp, packetIdentifier: 256))),
        Golden(
            "5 PUBACK", .v5, .client, "40 02 0001", .acknowledgement(Acknowledgement(.puback, packetIdentifier: 1))),
        Golden(
            "5 PUBACK with a reason", .v5, .server, "40 03 0001 10",
            .acknowledgement(Acknowledgement(.puback, packetIdentifier: 1, reason: .noMatchingSubscribers))),
        Golden(
            "5 PUBACK with no properties", .v5, .client, "40 04 0001 00 00",
            .acknowledgement(Acknowledgement(.puback, packetIdentifier: 1)), canonical: false),
        Golden(
            "5 PUBREC with properties", .v5, .client, "50 0E 0001 97 0A 1F 0000 26 0001'k' 0001'v'",
            .acknowledgement(
                Acknowledgement(
                    .pubrec, packetIdentifier: 1, reason: .quotaExceeded,
                    properties: properties {
                        $0.reasonString = ""
                        $0.userProperties = [UserProperty("k", "v")]
                    }))),
        Golden(
            "5 PUBREL for an unknown packet", .v5, .client, "62 03 0009 92",
            .acknowledgement(Acknowledgement(.pubrel, packetIdentifier: 9, reason: .packetIdentifierNotFound))),
        Golden(
            "5 PUBCOMP with properties but success", .v5, .server, "70 08 0009 00 04 1F 0001'x'",
            .acknowledgement(
                Acknowledgement(.pubcomp, packetIdentifier: 9, properties: properties { $0.reasonString = "x" }))),
    ]

    static let subscriptions: [Golden] = [
        Golden(
            "3.1 SUBSCRIBE with DUP and bits without a meaning", .v3_1, .client, "8A 06 0001 0001'a' FD",
            .subscribe(
                Subscribe(packetIdentifier: 1, filters: [.init(filter: "a", options: .init(qos: .atLeastOnce))])),
            canonical: false),
        Golden(
            "3.1.1 SUBSCRIBE", .v3_1_1, .client, "82 0E 000A 0003'a/+' 02 0003'$/#' 00",
            .subscribe(
                Subscribe(
                    packetIdentifier: 10,
                    filters: [
                        .init(filter: "a/+", options: .init(qos: .exactlyOnce)),
                        .init(filter: "$/#", options: .init(qos: .atMostOnce)),
                    ]))),
        Golden(
            "3.1.1 SUBSCRIBE of what v5 would call a bad share", .v3_1_1, .client, "82 0D 0001 0008'$share/+' 00",
            .subscribe(
                Subscribe(
                    packetIdentifier: 1, filters: [.init(filter: "$share/+", options: .init(qos: .atMostOnce))]))),
        Golden(
            "5 SUBSCRIBE with all options", .v5, .client,
            "82 1D 0001 09 0B 8001 26 0001'k' 0000 0001'#' 2D 000A'$share/g/a' 12",
            .subscribe(
                Subscribe(
                    packetIdentifier: 1,
                    filters: [
                        .init(
                            filter: "#",
                            options: .init(
                                qos: .atLeastOnce, noLocal: true, retainAsPublished: true, retainHandling: .never)),
                        .init(filter: "$share/g/a", options: .init(qos: .exactlyOnce, retainHandling: .ifNew)),
                    ], subscriptionIdentifier: 128, userProperties: [UserProperty("k", "")]))),
        Golden(
            "3.1.1 SUBACK", .v3_1_1, .server, "90 06 0001 00 01 02 80",
            .suback(
                Suback(
                    packetIdentifier: 1, reasons: [.grantedQoS0, .grantedQoS1, .grantedQoS2, .unspecifiedError]))),
        Golden(
            "5 SUBACK", .v5, .server, "90 09 0001 04 1F 0001'r' 01 A2",
            .suback(
                Suback(
                    packetIdentifier: 1, reasons: [.grantedQoS1, .wildcardSubscriptionsNotSupported],
                    properties: properties { $0.reasonString = "r" }))),
        Golden(
            "3.1.1 UNSUBSCRIBE", .v3_1_1, .client, "A2 08 0001 0001'a' 0001'#'",
            .unsubscribe(Unsubscribe(packetIdentifier: 1, filters: ["a", "#"]))),
        Golden(
            "5 UNSUBSCRIBE", .v5, .client, "A2 0D 0001 07 26 0001'k' 0001'v' 0001'a'",
            .unsubscribe(
                Unsubscribe(packetIdentifier: 1, filters: ["a"], userProperties: [UserProperty("k", "v")]))),
        Golden(
            "3.1.1 UNSUBACK", .v3_1_1, .server, "B0 02 0001", .unsuback(Unsuback(packetIdentifier: 1, reasons: []))),
        Golden(
            "5 UNSUBACK", .v5, .server, "B0 05 0001 00 00 11",
            .unsuback(Unsuback(packetIdentifier: 1, reasons: [.success, .noSubscriptionExisted]))),
    ]

    static let endings: [Golden] = [
        Golden("3.1.1 PINGREQ", .v3_1_1, .client, "C0 00", .pingreq),
        Golden("5 PINGREQ", .v5, .client, "C0 00", .pingreq),
        Golden("3.1.1 PINGRESP", .v3_1_1, .server, "D0 00", .pingresp),
        Golden("5 PINGRESP", .v5, .server, "D0 00", .pingresp),
        Golden("3.1.1 DISCONNECT", .v3_1_1, .client, "E0 00", .disconnect(Disconnect())),
        Golden("5 DISCONNECT", .v5, .client, "E0 00", .disconnect(Disconnect())),
        Golden(
            "5 DISCONNECT with will", .v5, .client, "E0 01 04", .disconnect(Disconnect(reason: .disconnectWithWill))),
        Golden(
            "5 DISCONNECT with a reason and no properties", .v5, .server, "E0 02 8E 00",
            .disconnect(Disconnect(reason: .sessionTakenOver)), canonical: false),
        Golden(
            "5 DISCONNECT with a new session expiry", .v5, .client, "E0 07 00 05 11 00000000",
            .disconnect(Disconnect(properties: properties { $0.sessionExpiryInterval = 0 }))),
        Golden(
            "5 DISCONNECT to another server", .v5, .server, "E0 10 9C 0E 1C 0001's' 1F 0000 26 0001'k' 0001'v'",
            .disconnect(
                Disconnect(
                    reason: .useAnotherServer,
                    properties: properties {
                        $0.serverReference = "s"
                        $0.reasonString = ""
                        $0.userProperties = [UserProperty("k", "v")]
                    }))),
        Golden("5 AUTH: bare success", .v5, .server, "F0 00", .auth(Auth())),
        Golden(
            "5 AUTH", .v5, .client, "F0 0F 18 0D 15 0005'SCRAM' 16 0002 0102",
            .auth(
                Auth(
                    reason: .continueAuthentication,
                    properties: properties {
                        $0.authenticationMethod = "SCRAM"
                        $0.authenticationData = [1, 2]
                    }))),
    ]
}
