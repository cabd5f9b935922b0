import MQTT
import Messages
import Testing

@testable import Bridge

@Suite struct TranslatorTests {
    static let translator = Translator(settings())

    static func settings() -> BridgeSettings {
        var settings = BridgeSettings()
        settings.node = "one"
        settings.packetSize = 1000
        return settings
    }

    static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// As they stand in a PUBLISH, without their length.
    static func encoded(_ change: (inout Properties) -> Void) -> [UInt8] {
        var properties = Properties()
        change(&properties)
        var bytes: [UInt8] = []
        properties.encode(into: &bytes)
        return Array(bytes.dropFirst(bytes.prefix { $0 & 0x80 != 0 }.count + 1))
    }

    static func decoded(_ message: Message) throws -> Properties {
        let bytes = message.properties
        return try Properties(decoding: bytes.span, 0..<bytes.count, of: .publish, from: .client)
    }

    /// A broker of a cluster tells by itself what it retains; what a program retains is for whoever hears it.
    @Test func inAClusterWhoRetainsSaysSo() throws {
        var settings = Self.settings()
        settings.isCluster = true
        let one = Translator(settings)
        settings.node = "two"
        let two = Translator(settings)
        var message = Message(topic: Self.bytes("a/b"), payload: Self.bytes("x"))
        message.isRetained = true
        var envelope = try one.envelope(of: message, now: 1)
        #expect(envelope.header("x-apus-retained") == .boolean(true))
        let heard = try two.message(key: Self.bytes("a.b"), envelope, payload: message.payload, isRedelivered: false)
        #expect(heard?.isRetained == true && heard?.isKeptElsewhere == true)
        let properties = try Self.decoded(try #require(heard))
        #expect(properties.userProperties.isEmpty)
        envelope.headers.removeAll { $0.name == Self.bytes("x-apus-retained") }
        let program = try two.message(key: Self.bytes("a.b"), envelope, payload: message.payload, isRedelivered: false)
        #expect(program?.isRetained == true && program?.isKeptElsewhere == false)
        // Outside a cluster it is nobody's word.
        let alone = try Self.translator.envelope(of: message, now: 1)
        #expect(alone.header("x-apus-retained") == nil)
    }

    @Test func aPlainMessage() throws {
        let message = Message(topic: Self.bytes("a/b"), payload: Self.bytes("x"))
        let envelope = try Self.translator.envelope(of: message, now: 1_700_000_000)
        var expected = Envelope()
        expected.isPersistent = true
        expected.timestamp = 1_700_000_000
        expected.headers = [
            Header("x-mqtt-publish-qos", .byte(1)), Header("x-mqtt-dup", .boolean(false)),
            Header("x-apus-node", .text(Self.bytes("one"))),
        ]
        #expect(envelope == expected)
    }

    /// Behind the message's own properties the router has put it; a client's own is not taken for one.
    @Test func theNumberOfACluster() throws {
        let identity = MessageIdentity(number: 7, qos: 2)
        var message = Message(topic: Self.bytes("a"), payload: [])
        message.properties = Self.encoded { $0.userProperties = [.init("k", "v")] } + identity.property
        let envelope = try Self.translator.envelope(of: message, now: 0)
        #expect(envelope.header("x-apus-id") == .text(identity.text) && envelope.header("k") == .text(Self.bytes("v")))
        message.properties = Self.encoded { $0.userProperties = [.init("x-apus-id", "v")] } + identity.property
        #expect(throws: Unmappable.self) { try Self.translator.envelope(of: message, now: 0) }

        var settings = Self.settings()
        settings.node = "two"
        let other = Translator(settings)
        let heard = try #require(
            try other.message(key: Self.bytes("a"), envelope, payload: [], isRedelivered: false))
        #expect(heard.origin == MessageOrigin(identity, node: Self.bytes("one")))
        let properties = try Self.decoded(heard).userProperties
        #expect(properties == [.init("k", "v")])
        #expect(try Self.translator.message(key: Self.bytes("a"), envelope, payload: [], isRedelivered: false) == nil)
    }

    @Test func flags() throws {
        var message = Message(topic: Self.bytes("a"), payload: [])
        message.qos = 0
        message.isRetained = true
        message.isDuplicate = true
        let envelope = try Self.translator.envelope(of: message, now: 0)
        #expect(!envelope.isPersistent)
        #expect(envelope.header("x-mqtt-publish-qos") == .byte(0))
        #expect(envelope.header("x-mqtt-dup") == .boolean(true))
        #expect(envelope.header("x-mqtt-retain") == .boolean(true))
    }

    @Test func propertiesOfMQTT() throws {
        var message = Message(topic: Self.bytes("a"), payload: Self.bytes("x"))
        message.properties = Self.encoded {
            $0.contentType = "text/plain"
            $0.payloadFormatIndicator = true
            $0.messageExpiryInterval = 90
            $0.responseTopic = "answers/1"
            $0.correlationData = Self.bytes("c-1")
            $0.userProperties = [.init("k", "1"), .init("other", "x"), .init("k", "2"), .init("k", "3")]
        }
        let envelope = try Self.translator.envelope(of: message, now: 0)
        #expect(envelope.contentType == Self.bytes("text/plain"))
        #expect(envelope.contentEncoding == Self.bytes("utf-8"))
        #expect(envelope.expiration == Self.bytes("90000"))
        #expect(envelope.replyTo == Self.bytes("answers.1"))
        #expect(envelope.correlation == Self.bytes("c-1"))
        #expect(envelope.header("k") == .texts([Self.bytes("1"), Self.bytes("2"), Self.bytes("3")]))
        #expect(envelope.header("other") == .text(Self.bytes("x")))
    }

    /// Correlation data that is no short text goes where no program takes it for one.
    @Test(arguments: [[0xFF, 0, 1] as [UInt8], [UInt8](repeating: 0x61, count: 256)])
    func correlationDataThatIsNoShortText(_ data: [UInt8]) throws {
        var message = Message(topic: Self.bytes("a"), payload: [])
        message.properties = Self.encoded { $0.correlationData = data }
        let envelope = try Self.translator.envelope(of: message, now: 0)
        #expect(envelope.correlation == nil)
        #expect(envelope.header("x-mqtt-correlation-data") == .bytes(data))
    }

    @Test(
        arguments: [
            { $0.responseTopic = "a.b" }, { $0.contentType = String(repeating: "x", count: 256) },
            { $0.userProperties = [.init(String(repeating: "x", count: 256), "")] },
            { $0.userProperties = [.init("CC", "x")] }, { $0.userProperties = [.init("BCC", "x"), .init("BCC", "y")] },
            { $0.userProperties = [.init("x-apus-node", "two")] }, { $0.userProperties = [.init("x-mqtt-dup", "")] },
        ] as [@Sendable (inout Properties) -> Void])
    func whatAMQPCanNotSay(_ change: @Sendable (inout Properties) -> Void) {
        var message = Message(topic: Self.bytes("a"), payload: [])
        message.properties = Self.encoded(change)
        #expect(throws: Unmappable.self) { try Self.translator.envelope(of: message, now: 0) }
    }

    /// RabbitMQ takes no longer one, and closes the channel for it.
    @Test func anExpiryOfMoreThanTenYears() throws {
        var message = Message(topic: Self.bytes("a"), payload: [])
        message.properties = Self.encoded { $0.messageExpiryInterval = .max }
        #expect(try Self.translator.envelope(of: message, now: 0).expiration == Self.bytes("315360000000"))
    }

    /// AMQP 0-9-1 §4.2.3, §4.2.5, counted by hand.
    @Test func bytesInAFrame() {
        var envelope = Envelope()
        #expect(envelope.byteCount == 2 + 4 + 1)
        envelope.contentType = Self.bytes("abc")
        envelope.timestamp = 1
        #expect(envelope.byteCount == 7 + 4 + 8)
        envelope.headers = [
            Header("k", .text(Self.bytes("xy"))), Header("k", .bytes([1])), Header("k", .boolean(true)),
            Header("k", .byte(1)), Header("k", .integer(1)), Header("k", .texts([[1], [2, 3]])), Header("k", .other),
        ]
        #expect(envelope.byteCount == 19 + 7 * 3 + 6 + 5 + 1 + 1 + 8 + (4 + 6 + 7))
    }

    // MARK: from AMQP

    /// A subscriber sees that it may have had the message, where no number says whether it has.
    @Test func whatRabbitMQDeliversAgain() throws {
        var envelope = Envelope()
        envelope.headers = [Header("k", .text(Self.bytes("v"))), Header("x-amqp-redelivered", .text(Self.bytes("no")))]
        func heard(_ isRedelivered: Bool, _ payload: [UInt8] = []) throws -> [UserProperty] {
            let message = try #require(
                try Self.translator.message(
                    key: Self.bytes("a"), envelope, payload: payload, isRedelivered: isRedelivered))
            return try Self.decoded(message).userProperties
        }
        #expect(try heard(false) == [.init("k", "v")])
        #expect(try heard(true) == [.init("k", "v"), .init("x-amqp-redelivered", "true")])
        // Rather without it than not at all.
        #expect(try heard(true, [UInt8](repeating: 0, count: 970)) == [.init("k", "v")])
        envelope.headers += [
            Header("x-apus-node", .text(Self.bytes("two"))),
            Header("x-apus-id", .text(MessageIdentity(number: 7, qos: 1).text)),
        ]
        #expect(try heard(true) == [.init("k", "v")])
    }

    static func message(_ envelope: Envelope, key: String = "a.b", payload: String = "x") throws -> Message? {
        try translator.message(key: bytes(key), envelope, payload: bytes(payload), isRedelivered: false)
    }

    @Test func aMessageOfAProgram() throws {
        let message = try #require(try Self.message(Envelope()))
        #expect(message == Message(topic: Self.bytes("a/b"), payload: Self.bytes("x")))
        let again = try Self.translator.message(key: Self.bytes("a"), Envelope(), payload: [], isRedelivered: true)
        #expect(again?.isDuplicate == true)
    }

    @Test(
        arguments: [(HeaderValue.byte(0), 0), (.byte(1), 1), (.byte(2), 1), (.integer(0), 0), (.text([]), 1)]
            as [(HeaderValue, UInt8)])
    func qualityOfService(_ value: HeaderValue, _ qos: UInt8) throws {
        var envelope = Envelope()
        envelope.headers = [Header("x-mqtt-publish-qos", value)]
        #expect(try Self.message(envelope)?.qos == qos)
    }

    @Test func whatIsOurOwnIsNotTakenBack() throws {
        var envelope = Envelope()
        envelope.headers = [Header("x-apus-node", .text(Self.bytes("one")))]
        #expect(try Self.message(envelope) == nil)
        envelope.headers = [Header("x-apus-node", .text(Self.bytes("two")))]
        let message = try #require(try Self.message(envelope))
        #expect(message.properties.isEmpty)
    }

    @Test func propertiesOfAMQP() throws {
        var envelope = Envelope()
        envelope.contentType = Self.bytes("application/json")
        envelope.contentEncoding = Self.bytes("UTF-8")
        envelope.expiration = Self.bytes("1500")
        envelope.replyTo = Self.bytes("answers.1")
        envelope.correlation = Self.bytes("c")
        envelope.headers = [
            Header("t", .text(Self.bytes("x"))), Header("n", .integer(-5)), Header("f", .boolean(true)),
            Header("l", .texts([Self.bytes("1"), Self.bytes("2")])), Header("x-death", .other),
            Header("b", .bytes([1])), Header("x-mqtt-retain", .boolean(true)),
        ]
        let message = try #require(try Self.message(envelope))
        #expect(message.isRetained)
        let properties = try Self.decoded(message)
        #expect(properties.contentType == "application/json")
        #expect(properties.payloadFormatIndicator == true)
        #expect(properties.messageExpiryInterval == 2)
        #expect(properties.responseTopic == "answers/1")
        #expect(properties.correlationData == Self.bytes("c"))
        #expect(
            properties.userProperties == [
                .init("t", "x"), .init("n", "-5"), .init("f", "true"), .init("l", "1"), .init("l", "2"),
            ])
    }

    /// An indicator that lies would be refused by the router.
    @Test func aPayloadThatIsNotWhatItsEncodingSays() throws {
        var envelope = Envelope()
        envelope.contentEncoding = Self.bytes("utf-8")
        let message = try #require(
            try Self.translator.message(key: Self.bytes("a"), envelope, payload: [0xFF], isRedelivered: false))
        #expect(message.properties.isEmpty)
    }

    @Test func whatMQTTCanNotSay() throws {
        var envelope = Envelope()
        envelope.contentType = [0xFF]
        #expect(throws: Unmappable.self) { try Self.message(envelope) }
        envelope = Envelope()
        envelope.replyTo = Self.bytes("a/b")
        #expect(throws: Unmappable.self) { try Self.message(envelope) }
        envelope = Envelope()
        envelope.headers = [Header("k", .text([0xFF]))]
        #expect(throws: Unmappable.self) { try Self.message(envelope) }
        #expect(throws: Unmappable.self) { try Self.message(Envelope(), key: "a/b") }
    }

    /// `limits.packet_size` holds for the whole packet, whose head is 13 bytes at most.
    @Test func theLargestMessage() throws {
        let room = 1000 - 13 - "a/b".utf8.count
        #expect(try Self.message(Envelope(), payload: String(repeating: "x", count: room)) != nil)
        #expect(throws: Unmappable.self) {
            try Self.message(Envelope(), payload: String(repeating: "x", count: room + 1))
        }
    }

    /// What one broker sends another gets as it was.
    @Test func fromOneBrokerToAnother() throws {
        var other = Self.settings()
        other.node = "two"
        var message = Message(topic: Self.bytes("a/b"), payload: Self.bytes("text"))
        message.qos = 0
        message.isRetained = true
        message.properties = Self.encoded {
            $0.contentType = "t"
            $0.payloadFormatIndicator = true
            $0.messageExpiryInterval = 7
            $0.responseTopic = "r/s"
            $0.correlationData = [0, 0xFF]
            $0.userProperties = [.init("a", "1"), .init("a", "2"), .init("b", "")]
        }
        let envelope = try Self.translator.envelope(of: message, now: 0)
        let arrived = try Translator(other).message(
            key: Self.translator.keys.key(ofTopic: message.topic), envelope, payload: message.payload,
            isRedelivered: false)
        #expect(arrived == message)
    }
}
