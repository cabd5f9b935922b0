// Packets that the specifications forbid, by hand and one by one, each with the clause that it breaks.

import MQTT
import Testing

/// Bytes and why they are refused.
struct Malformed: CustomTestStringConvertible, Sendable {
    let name: String
    let version: ProtocolVersion
    let sender: Sender
    let bytes: [UInt8]
    let reason: ReasonCode
    let clause: String

    init(
        _ name: String, _ version: ProtocolVersion, _ sender: Sender, _ notation: String, _ reason: ReasonCode,
        _ clause: String
    ) {
        self.name = name
        self.version = version
        self.sender = sender
        self.bytes = MQTTTests.bytes(notation)
        self.reason = reason
        self.clause = clause
    }

    var testDescription: String { name }

    static let all = headers + connects + connacks + publishes + acknowledgements + subscriptions + endings + properties

    private static let bad = ReasonCode.malformedPacket
    private static let forbidden = ReasonCode.protocolError

    static let headers: [Malformed] = [
        Malformed("type 0", .v3_1_1, .client, "00 00", bad, "MQTT-2.1.2"),
        Malformed("a type 0 of which one byte is here", .v3_1_1, .client, "00", bad, "MQTT-2.1.2"),
        Malformed("CONNECT with flags", .v3_1_1, .client, "11 00", bad, "MQTT-2.1.3-1"),
        Malformed("PUBACK with flags", .v3_1_1, .client, "42 02 0001", bad, "MQTT-2.1.3-1"),
        Malformed("PUBREL without its flag", .v3_1_1, .client, "60 02 0001", bad, "MQTT-2.1.3-1"),
        Malformed("SUBSCRIBE without its flag", .v5, .client, "80 06 0001 0001'a' 00", bad, "MQTT-2.1.3-1"),
        Malformed("UNSUBSCRIBE without its flag", .v5, .client, "A0 06 0001 00 0001'a'", bad, "MQTT-2.1.3-1"),
        Malformed("DISCONNECT with flags", .v5, .client, "E1 00", bad, "MQTT-2.1.3-1"),
        Malformed("a length of five bytes", .v3_1_1, .client, "30 80808080 01", bad, "MQTT-1.5.5"),
        Malformed("a length of four bytes that wants a fifth", .v3_1, .client, "30 FFFFFFFF", bad, "MQTT-1.5.5"),
        Malformed("a length that is too long", .v5, .client, "C0 8000", bad, "MQTT-1.5.5-1"),
        Malformed("CONNACK from a client", .v5, .client, "20 03 00 00 00", forbidden, "MQTT-2.1.2"),
        Malformed("PINGRESP from a client", .v3_1_1, .client, "D0 00", forbidden, "MQTT-2.1.2"),
        Malformed("SUBSCRIBE from a server", .v5, .server, "82 07 0001 00 0001'a' 00", forbidden, "MQTT-2.1.2"),
    ]

    static let connects: [Malformed] = [
        Malformed("CONNECT of nothing", .v3_1_1, .client, "10 00", bad, "MQTT-2.1.4"),
        Malformed(
            "another protocol", .v3_1_1, .client, "10 0C 0004'MQTX' 04 02 0000 0000", .unsupportedProtocolVersion,
            "MQTT-3.1.2-1"),
        Malformed(
            "level 6", .v5, .client, "10 0D 0004'MQTT' 06 02 0000 00 0000", .unsupportedProtocolVersion,
            "MQTT-3.1.2-2"),
        Malformed(
            "3.1's level with 3.1.1's name", .v3_1, .client, "10 0C 0004'MQTT' 03 02 0000 0000",
            .unsupportedProtocolVersion, "MQTT-3.1.2-2"),
        Malformed(
            "3.1.1's level with 3.1's name", .v3_1, .client, "10 0F 0006'MQIsdp' 04 02 003C 0001'a'",
            .unsupportedProtocolVersion, "MQTT-3.1.2-2"),
        Malformed(
            "a bridge's level", .v3_1_1, .client, "10 0C 0004'MQTT' 84 02 0000 0000", .unsupportedProtocolVersion,
            "MQTT-3.1.2-2"),
        Malformed(
            "the reserved flag", .v3_1_1, .client, "10 0C 0004'MQTT' 04 03 0000 0000", bad, "MQTT-3.1.2-3"),
        Malformed(
            "a will QoS without a will", .v5, .client, "10 0D 0004'MQTT' 05 0A 0000 00 0000", bad, "MQTT-3.1.2-11"),
        Malformed(
            "will retain without a will", .v3_1_1, .client, "10 0C 0004'MQTT' 04 22 0000 0000", bad, "MQTT-3.1.2-13"),
        Malformed(
            "will QoS 3", .v3_1_1, .client, "10 12 0004'MQTT' 04 1E 0000 0000 0001'w' 0001'p'", bad, "MQTT-3.1.2-12"),
        Malformed(
            "a will without its payload", .v3_1_1, .client, "10 0F 0004'MQTT' 04 06 0000 0000 0001'w'", bad,
            "MQTT-2.1.4"),
        Malformed(
            "a will for no topic", .v3_1_1, .client, "10 11 0004'MQTT' 04 06 0000 0000 0000 0001'p'", forbidden,
            "MQTT-4.7.3-1"),
        Malformed(
            "a will for a wildcard", .v3_1_1, .client, "10 12 0004'MQTT' 04 06 0000 0000 0001'#' 0001'p'",
            .topicNameInvalid, "MQTT-3.3.2-2"),
        Malformed(
            "3.1.1: a password without a user name", .v3_1_1, .client, "10 0F 0004'MQTT' 04 42 0000 0000 0001'p'", bad,
            "MQTT 3.1.1, MQTT-3.1.2-22"),
        Malformed(
            "a user name that is not there", .v3_1_1, .client, "10 0C 0004'MQTT' 04 82 0000 0000", bad, "MQTT-2.1.4"),
        Malformed(
            "a user name of U+0000", .v3_1_1, .client, "10 0F 0004'MQTT' 04 82 0000 0000 0001 00", bad,
            "MQTT-1.5.4-1"),
        Malformed(
            "bytes behind the end", .v3_1_1, .client, "10 0D 0004'MQTT' 04 02 0000 0000 00", bad, "MQTT-2.1.4"),
        Malformed(
            "5: a length that is too long", .v3_1_1, .client, "10 8D00 0004'MQTT' 05 02 0000 00 0000", bad,
            "MQTT-1.5.5-1"),
        Malformed(
            "a client identifier with a surrogate", .v3_1_1, .client, "10 0F 0004'MQTT' 04 02 0000 0003 EDA080", bad,
            "MQTT-1.5.4-1"),
        Malformed(
            "3.1.1: no client identifier for a session that stays", .v3_1_1, .client,
            "10 0C 0004'MQTT' 04 00 0000 0000", .clientIdentifierNotValid, "MQTT 3.1.1, MQTT-3.1.3-8"),
        Malformed(
            "3.1: no client identifier", .v3_1, .client, "10 0E 0006'MQIsdp' 03 02 003C 0000",
            .clientIdentifierNotValid, "MQTT 3.1 §3.1"),
    ]

    static let connacks: [Malformed] = [
        Malformed("CONNACK with reserved flags", .v3_1_1, .server, "20 02 02 00", bad, "MQTT-3.2.2-1"),
        Malformed(
            "3.1.1 CONNACK with return code 6", .v3_1_1, .server, "20 02 00 06", bad, "MQTT 3.1.1 §3.2.2.3"),
        Malformed("a refusal with a session", .v3_1_1, .server, "20 02 01 02", forbidden, "MQTT-3.2.2-6"),
        Malformed("5 CONNACK with a reason of SUBACK", .v5, .server, "20 03 00 01 00", bad, "MQTT-2.4"),
        Malformed("5 CONNACK without properties", .v5, .server, "20 02 00 00", bad, "MQTT-2.1.4"),
        Malformed("3.1.1 CONNACK of three bytes", .v3_1_1, .server, "20 03 00 00 00", bad, "MQTT-2.1.4"),
    ]

    static let publishes: [Malformed] = [
        Malformed("QoS 3", .v3_1_1, .client, "36 05 0001'a' 0001", bad, "MQTT-3.3.1-4"),
        Malformed("DUP at QoS 0", .v3_1_1, .client, "38 03 0001'a'", bad, "MQTT-3.3.1-2"),
        Malformed("no topic", .v3_1_1, .client, "30 02 0000", forbidden, "MQTT-3.3.2.1"),
        Malformed("neither topic nor alias", .v5, .client, "30 03 0000 00", forbidden, "MQTT-3.3.2.1"),
        Malformed("PUBLISH of nothing", .v5, .client, "30 00", bad, "MQTT-2.1.4"),
        Malformed("a topic beyond the end", .v3_1_1, .client, "30 03 0002'a'", bad, "MQTT-2.1.4"),
        Malformed("half a packet identifier", .v3_1_1, .client, "32 04 0001'a' 00", bad, "MQTT-2.1.4"),
        Malformed("packet identifier 0", .v3_1_1, .client, "32 05 0001'a' 0000", forbidden, "MQTT-2.2.1-3"),
        Malformed("5 without a length of properties", .v5, .client, "30 03 0001'a'", bad, "MQTT-2.1.4"),
        Malformed("5 with properties beyond the end", .v5, .client, "30 05 0001'a' 02 01", bad, "MQTT-2.1.4"),
        Malformed("+ in the topic", .v3_1_1, .client, "30 05 0003'a/+'", .topicNameInvalid, "MQTT-3.3.2-2"),
        Malformed("# in the topic", .v5, .client, "30 04 0001'#' 00", .topicNameInvalid, "MQTT-3.3.2-2"),
        Malformed("U+0000 in the topic", .v3_1_1, .client, "30 05 0003'a'00'b'", bad, "MQTT-1.5.4-1"),
        Malformed("an overlong character", .v3_1_1, .client, "30 04 0002 C080", bad, "MQTT-1.5.4-1"),
        Malformed("a surrogate", .v3_1_1, .client, "30 05 0003 EDBFBF", bad, "MQTT-1.5.4-1"),
        Malformed("a character beyond U+10FFFF", .v3_1_1, .client, "30 06 0004 F4908080", bad, "MQTT-1.5.4-1"),
        Malformed("half a character", .v3_1_1, .client, "30 05 0003'a'E282", bad, "MQTT-1.5.4-1"),
        Malformed("topic alias 0", .v5, .client, "30 07 0001'a' 03 230000", .topicAliasInvalid, "MQTT-3.3.2-8"),
        Malformed(
            "a subscription identifier from a client", .v5, .client, "30 06 0001'a' 02 0B01", forbidden,
            "MQTT-3.3.4-6"),
        Malformed(
            "a response topic with a wildcard", .v5, .client, "30 08 0001'a' 04 08 0001'+'", .topicNameInvalid,
            "MQTT-3.3.2-2"),
    ]

    static let acknowledgements: [Malformed] = [
        Malformed("PUBACK of one byte", .v3_1_1, .client, "40 01 00", bad, "MQTT-2.1.4"),
        Malformed("PUBACK of packet 0", .v3_1_1, .client, "40 02 0000", forbidden, "MQTT-2.2.1-3"),
        Malformed("3.1.1 PUBACK with a reason", .v3_1_1, .client, "40 03 0001 00", bad, "MQTT-2.1.4"),
        Malformed("PUBACK with PUBREL's reason", .v5, .client, "40 03 0001 92", bad, "MQTT-2.4"),
        Malformed("PUBREC with a server's reason", .v5, .client, "50 03 0001 10", bad, "MQTT-2.4"),
        Malformed("PUBREL with PUBACK's reason", .v5, .client, "62 03 0001 97", bad, "MQTT-2.4"),
        Malformed("PUBCOMP with an undefined reason", .v5, .client, "70 03 0001 FF", bad, "MQTT-2.4"),
        Malformed("PUBACK with another's property", .v5, .client, "40 07 0001 00 03 230001", bad, "MQTT-2.2.2.2"),
        Malformed("PUBACK with properties beyond the end", .v5, .client, "40 04 0001 00 01", bad, "MQTT-2.1.4"),
        Malformed("PUBACK with bytes behind the end", .v5, .client, "40 05 0001 00 00 00", bad, "MQTT-2.1.4"),
    ]

    static let subscriptions: [Malformed] = [
        Malformed("SUBSCRIBE to nothing", .v3_1_1, .client, "82 02 0001", forbidden, "MQTT-3.8.3-2"),
        Malformed("SUBSCRIBE 0", .v3_1_1, .client, "82 06 0000 0001'a' 00", forbidden, "MQTT-2.2.1-3"),
        Malformed("SUBSCRIBE without options", .v3_1_1, .client, "82 05 0001 0001'a'", bad, "MQTT-2.1.4"),
        Malformed("SUBSCRIBE with QoS 3", .v3_1_1, .client, "82 06 0001 0001'a' 03", forbidden, "MQTT-3.8.3.1"),
        Malformed("3.1.1 SUBSCRIBE with v5's options", .v3_1_1, .client, "82 06 0001 0001'a' 04", bad, "MQTT-3.8.3-5"),
        Malformed("5 SUBSCRIBE with reserved bits", .v5, .client, "82 07 0001 00 0001'a' 40", bad, "MQTT-3.8.3-5"),
        Malformed("retain handling 3", .v5, .client, "82 07 0001 00 0001'a' 30", forbidden, "MQTT-3.8.3.1"),
        Malformed(
            "an empty filter", .v3_1_1, .client, "82 05 0001 0000 00", .topicFilterInvalid, "MQTT-4.7.3-1"),
        Malformed(
            "# in the middle", .v3_1_1, .client, "82 08 0001 0003'#/a' 00", .topicFilterInvalid, "MQTT-4.7.1-1"),
        Malformed(
            "# behind a letter", .v3_1_1, .client, "82 07 0001 0002'a#' 00", .topicFilterInvalid, "MQTT-4.7.1-1"),
        Malformed(
            "+ behind a letter", .v3_1_1, .client, "82 07 0001 0002'a+' 00", .topicFilterInvalid, "MQTT-4.7.1-2"),
        Malformed(
            "+ before a letter", .v3_1_1, .client, "82 07 0001 0002'+a' 00", .topicFilterInvalid, "MQTT-4.7.1-2"),
        Malformed("U+0000 in a filter", .v3_1_1, .client, "82 06 0001 0001 00 00", bad, "MQTT-1.5.4-1"),
        Malformed(
            "an empty share name", .v5, .client, "82 0F 0001 00 0009'$share//a' 00", .topicFilterInvalid,
            "MQTT-4.8.2-1"),
        Malformed(
            "a share name with a wildcard", .v5, .client, "82 10 0001 00 000A'$share/+/a' 00", .topicFilterInvalid,
            "MQTT-4.8.2-2"),
        Malformed(
            "a share without a filter", .v5, .client, "82 0E 0001 00 0008'$share/g' 00", .topicFilterInvalid,
            "MQTT-4.8.2-2"),
        Malformed(
            "no local on a share", .v5, .client, "82 10 0001 00 000A'$share/g/a' 04", forbidden, "MQTT-3.8.3-4"),
        Malformed(
            "subscription identifier 0", .v5, .client, "82 09 0001 02 0B00 0001'a' 00", forbidden, "MQTT-3.8.2.1.2"),
        Malformed(
            "two subscription identifiers", .v5, .client, "82 0B 0001 04 0B01 0B02 0001'a' 00", forbidden,
            "MQTT-2.2.2.2"),
        Malformed("UNSUBSCRIBE from nothing", .v5, .client, "A2 03 0001 00", forbidden, "MQTT-3.10.3-2"),
        Malformed(
            "UNSUBSCRIBE with a bad filter", .v3_1_1, .client, "A2 06 0001 0002'a#'", .topicFilterInvalid,
            "MQTT-4.7.1-1"),
        Malformed("UNSUBSCRIBE 0", .v3_1_1, .client, "A2 05 0000 0001'a'", forbidden, "MQTT-2.2.1-3"),
        Malformed("3.1.1 SUBACK with v5's reason", .v3_1_1, .server, "90 03 0001 87", bad, "MQTT 3.1.1, MQTT-3.9.3-2"),
        Malformed("SUBACK with QoS 3", .v3_1_1, .server, "90 03 0001 03", bad, "MQTT-2.4"),
        Malformed("SUBACK of nothing", .v5, .server, "90 03 0001 00", forbidden, "MQTT-3.9.3-1"),
        Malformed("3.1.1 UNSUBACK with reasons", .v3_1_1, .server, "B0 03 0001 00", bad, "MQTT-2.1.4"),
        Malformed("5 UNSUBACK with a reason of SUBACK", .v5, .server, "B0 04 0001 00 01", bad, "MQTT-2.4"),
        Malformed("5 UNSUBACK of nothing", .v5, .server, "B0 03 0001 00", forbidden, "MQTT-3.11.3-1"),
    ]

    static let endings: [Malformed] = [
        Malformed("PINGREQ with a byte", .v3_1_1, .client, "C0 01 00", bad, "MQTT-3.12.1"),
        Malformed("3.1.1 DISCONNECT with a reason", .v3_1_1, .client, "E0 01 00", bad, "MQTT-2.1.4"),
        Malformed("3.1.1 DISCONNECT from a server", .v3_1_1, .server, "E0 00", forbidden, "MQTT 3.1.1 §3.14"),
        Malformed("5 DISCONNECT with a server's reason", .v5, .client, "E0 01 8B", bad, "MQTT-2.4"),
        Malformed("5 DISCONNECT with a client's reason", .v5, .server, "E0 01 04", bad, "MQTT-2.4"),
        Malformed(
            "5 DISCONNECT from a server with a session expiry", .v5, .server, "E0 07 00 05 11 00000000", forbidden,
            "MQTT-3.14.2-2"),
        Malformed("5 DISCONNECT with bytes behind the end", .v5, .client, "E0 03 00 00 00", bad, "MQTT-2.1.4"),
        Malformed("3.1.1 AUTH", .v3_1_1, .client, "F0 00", bad, "MQTT 3.1.1 §2.2.1"),
        Malformed("AUTH without a reason", .v5, .client, "F0 00", bad, "MQTT-3.15.2-1"),
        Malformed("AUTH with a server's reason", .v5, .client, "F0 06 00 04 15 0001'm'", bad, "MQTT-2.4"),
        Malformed("AUTH without a method", .v5, .client, "F0 02 18 00", forbidden, "MQTT-3.15.2.2.2"),
        Malformed("AUTH without properties", .v5, .client, "F0 01 18", bad, "MQTT-2.1.4"),
        Malformed(
            "AUTH with bytes behind the end", .v5, .client, "F0 07 18 04 15 0001'm' 00", bad, "MQTT-2.1.4"),
    ]

    /// A CONNECT or CONNACK of version 5 with these properties, of less than 100 bytes.
    private static func properties(
        _ name: String, _ type: PacketType, _ notation: String, _ reason: ReasonCode, _ clause: String
    ) -> Malformed {
        let hex = { (value: Int) in (value < 16 ? "0" : "") + String(value, radix: 16) }
        let count = MQTTTests.bytes(notation).count
        return type == .connect
            ? Malformed(
                name, .v5, .client, "10 \(hex(13 + count)) 0004'MQTT' 05 02 0000 \(hex(count)) \(notation) 0000",
                reason, clause)
            : Malformed(name, .v5, .server, "20 \(hex(3 + count)) 00 00 \(hex(count)) \(notation)", reason, clause)
    }

    static let properties: [Malformed] = [
        properties("an undefined property", .connect, "30 00", bad, "MQTT-2.2.2.2"),
        properties("property 0", .connect, "00", bad, "MQTT-2.2.2.2"),
        properties("a property of two bytes", .connect, "8001 00", bad, "MQTT-2.2.2.2"),
        properties("CONNECT with an alias", .connect, "23 0001", bad, "MQTT-2.2.2.2"),
        properties("CONNECT with a will delay outside of its will", .connect, "18 00000001", bad, "MQTT-2.2.2.2"),
        properties("session expiry twice", .connect, "11 00000001 11 00000001", forbidden, "MQTT-2.2.2.2"),
        properties("half a session expiry", .connect, "11 0000", bad, "MQTT-2.1.4"),
        properties("receive maximum 0", .connect, "21 0000", forbidden, "MQTT-3.1.2.11.3"),
        properties("maximum packet size 0", .connect, "27 00000000", forbidden, "MQTT-3.1.2.11.4"),
        properties("request problem information 2", .connect, "17 02", forbidden, "MQTT-2.2.2.2"),
        properties("request response information 2", .connect, "19 02", forbidden, "MQTT-2.2.2.2"),
        properties("authentication data without a method", .connect, "16 0001 00", forbidden, "MQTT-3.1.2.11.10"),
        properties("a user property without a value", .connect, "26 0001'k'", bad, "MQTT-2.1.4"),
        properties("a user property of bad UTF-8", .connect, "26 0001'k' 0001 FF", bad, "MQTT-1.5.4-1"),
        properties("a string beyond the properties", .connect, "15 0002'm'", bad, "MQTT-2.1.4"),
        properties("maximum QoS 2", .connack, "24 02", forbidden, "MQTT-2.2.2.2"),
        properties("retain available 2", .connack, "25 02", forbidden, "MQTT-2.2.2.2"),
        properties("wildcards available 2", .connack, "28 02", forbidden, "MQTT-2.2.2.2"),
        properties("subscription identifiers available 2", .connack, "29 02", forbidden, "MQTT-2.2.2.2"),
        properties("shares available 2", .connack, "2A 02", forbidden, "MQTT-2.2.2.2"),
        properties("CONNACK with a request", .connack, "17 00", bad, "MQTT-2.2.2.2"),
        Malformed(
            "payload format 2", .v5, .client, "30 06 0001'a' 02 0102", forbidden, "MQTT-2.2.2.2"),
        Malformed(
            "a property length that is too long", .v5, .client, "30 05 0001'a' 8000", bad, "MQTT-1.5.5-1"),
        Malformed(
            "a subscription identifier of five bytes", .v5, .client, "82 0D 0001 06 0B 80808080 01 0001'a' 00", bad,
            "MQTT-1.5.5"),
    ]
}
