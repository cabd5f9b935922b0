// What goes with a message on either side: MQTT's properties and flags, AMQP's properties and headers, and how the ones become
// the others. Values; RabbitMQ/Properties.swift turns them into the library's and back.

internal import MQTT
internal import Messages

/// A message as the router knows it.
struct Message: Equatable, Sendable {
    var topic: [UInt8]
    var payload: [UInt8]
    /// As MQTT 5 encodes them, without their length.
    var properties: [UInt8] = []
    var qos: UInt8 = 1
    var isRetained = false
    /// It is a broker's of the cluster that retains it, and tells the others by itself.
    var isKeptElsewhere = false
    var isDuplicate = false
    /// Of what comes from another broker of a cluster: it is to have its effect once.
    var origin: MessageOrigin?
}

/// A value of a header, as far as it is understood.
enum HeaderValue: Equatable, Sendable {
    case text([UInt8])
    case bytes([UInt8])
    case texts([[UInt8]])
    case boolean(Bool)
    case byte(Int8)
    case integer(Int64)
    /// A table, a list of something else, a number with a fraction.
    case other

    /// Bytes of it in a frame, without the one that says what it is.
    var byteCount: Int {
        switch self {
        case .text(let text): 4 + text.count
        case .bytes(let bytes): 4 + bytes.count
        case .texts(let texts): 4 + texts.reduce(0) { $0 + 5 + $1.count }
        case .boolean, .byte: 1
        case .integer: 8
        case .other: 0
        }
    }
}

struct Header: Equatable, Sendable {
    var name: [UInt8]
    var value: HeaderValue

    init(_ name: [UInt8], _ value: HeaderValue) {
        self.name = name
        self.value = value
    }

    init(_ name: StaticString, _ value: HeaderValue) { self.init(Array("\(name)".utf8), value) }
}

/// What goes with a message of AMQP's; nil: absent.
struct Envelope: Equatable, Sendable {
    var contentType: [UInt8]?
    var contentEncoding: [UInt8]?
    var headers: [Header] = []
    var isPersistent = false
    var correlation: [UInt8]?
    var replyTo: [UInt8]?
    /// Milliseconds, in digits.
    var expiration: [UInt8]?
    /// Seconds since 1970.
    var timestamp: UInt64?

    /// Bytes of it in a frame of AMQP's (AMQP 0-9-1 §4.2.6.1), with the flags that say what is there.
    var byteCount: Int {
        let short = [contentType, contentEncoding, correlation, replyTo, expiration]
        // The flags, the table's length, the delivery mode.
        return 2 + 4 + 1 + short.reduce(0) { $0 + ($1.map { 1 + $0.count } ?? 0) } + (timestamp == nil ? 0 : 8)
            + headers.reduce(0) { $0 + 1 + $1.name.count + 1 + $1.value.byteCount }
    }

    func header(_ name: StaticString) -> HeaderValue? {
        let wanted = Array("\(name)".utf8)
        return headers.first { $0.name == wanted }?.value
    }
}

/// How a broker's messages are said in AMQP, and AMQP's to a broker.
struct Translator: Equatable, Sendable {
    let keys: RoutingKeys
    /// What this broker calls itself.
    let node: [UInt8]
    let limits: (length: Int, levels: Int)
    let packetSize: Int
    let isCluster: Bool

    init(_ settings: BridgeSettings) {
        keys = RoutingKeys(template: settings.template)
        node = Array(settings.node.utf8)
        limits = (Int(settings.topicLength), Int(settings.topicLevels))
        packetSize = Int(settings.packetSize)
        isCluster = settings.isCluster
    }

    static func == (one: Translator, other: Translator) -> Bool {
        one.keys == other.keys && one.node == other.node && one.limits == other.limits
            && one.packetSize == other.packetSize && one.isCluster == other.isCluster
    }

    // MARK: to AMQP

    private static let longestName = 255

    /// Names of headers that have a meaning here.
    private static let reserved =
        [
            "x-mqtt-publish-qos", "x-mqtt-dup", "x-mqtt-retain", "x-mqtt-correlation-data", "x-apus-node",
            "x-apus-retained",
        ].map { Array($0.utf8) } + [MessageIdentity.name]

    /// Those by which RabbitMQ routes a message to further keys: a client would reach what `outbound` does not let it.
    private static let routing = ["CC", "BCC"].map { Array($0.utf8) }

    /// The user property of a message that RabbitMQ delivers again, and that may have been heard.
    private static let redelivered = "x-amqp-redelivered"

    /// RabbitMQ takes no message that may wait for longer: ten years.
    private static let longestExpiration: UInt64 = 315_360_000_000

    /// - Parameter now: seconds since 1970.
    func envelope(of message: Message, now: UInt64) throws(Unmappable) -> Envelope {
        var envelope = Envelope()
        envelope.isPersistent = message.qos > 0
        envelope.timestamp = now
        envelope.headers = [
            Header("x-mqtt-publish-qos", .byte(Int8(message.qos))), Header("x-mqtt-dup", .boolean(message.isDuplicate)),
            Header("x-apus-node", .text(node)),
        ]
        if message.isRetained {
            envelope.headers.append(Header("x-mqtt-retain", .boolean(true)))
            if isCluster { envelope.headers.append(Header("x-apus-retained", .boolean(true))) }
        }
        guard !message.properties.isEmpty else { return envelope }
        let properties: Properties
        do throws(ProtocolError) {
            let bytes = message.properties
            properties = try Properties(decoding: bytes.span, 0..<bytes.count, of: .publish, from: .server)
        } catch {
            throw Unmappable("properties that can not be read: \(error.what)")
        }
        envelope.contentType = try properties.contentType.map { text throws(Unmappable) in
            try Self.short(Array(text.utf8), "content type")
        }
        if properties.payloadFormatIndicator == true { envelope.contentEncoding = Array("utf-8".utf8) }
        if let seconds = properties.messageExpiryInterval {
            envelope.expiration = Array("\(min(UInt64(seconds) * 1000, Self.longestExpiration))".utf8)
        }
        envelope.replyTo = try properties.responseTopic.map { topic throws(Unmappable) in
            try keys.key(ofTopic: Array(topic.utf8))
        }
        if let data = properties.correlationData {
            if data.count <= Self.longestName, UTF8.isValidMQTT(data.span) {
                envelope.correlation = data
            } else {
                // Elsewhere than where AMQP's programs expect a short text.
                envelope.headers.append(Header("x-mqtt-correlation-data", .bytes(data)))
            }
        }
        var userProperties = properties.userProperties
        if let identity = Self.identity(userProperties.last) {
            userProperties.removeLast()
            envelope.headers.append(Header(MessageIdentity.name, .text(identity.text)))
        }
        try add(userProperties, to: &envelope.headers)
        return envelope
    }

    /// What the router has put behind the message's own properties.
    private static func identity(_ property: UserProperty?) -> MessageIdentity? {
        guard let property, Array(property.name.utf8) == MessageIdentity.name else { return nil }
        return MessageIdentity(text: Array(property.value.utf8))
    }

    /// A name that stands several times becomes a list of its values.
    private func add(_ properties: [UserProperty], to headers: inout [Header]) throws(Unmappable) {
        for property in properties {
            let name = try Self.short(Array(property.name.utf8), "name of a user property")
            if Self.reserved.contains(name) || Self.routing.contains(name) {
                throw Unmappable("a user property with the name \(property.name), which has a meaning in RabbitMQ")
            }
            let value = Array(property.value.utf8)
            guard let index = headers.firstIndex(where: { $0.name == name }) else {
                headers.append(Header(name, .text(value)))
                continue
            }
            switch headers[index].value {
            case .text(let first): headers[index].value = .texts([first, value])
            case .texts(let values): headers[index].value = .texts(values + [value])
            default: break
            }
        }
    }

    private static func short(_ bytes: [UInt8], _ what: StaticString) throws(Unmappable) -> [UInt8] {
        guard bytes.count <= longestName else {
            throw Unmappable("a \(what) of \(bytes.count) bytes, more than AMQP's \(longestName)")
        }
        return bytes
    }

    // MARK: from AMQP

    /// - Returns: nil for a message of this broker's own, which has come back.
    func message(
        key: [UInt8], _ envelope: Envelope, payload: [UInt8], isRedelivered: Bool
    ) throws(Unmappable) -> Message? {
        if envelope.header("x-apus-node") == .text(node) { return nil }
        var message = Message(topic: try keys.topic(ofKey: key, limits: limits), payload: payload)
        message.isDuplicate = isRedelivered
        message.origin = Self.origin(envelope)
        switch envelope.header("x-mqtt-publish-qos") {
        case .byte(let qos): message.qos = qos == 0 ? 0 : 1
        case .integer(let qos): message.qos = qos == 0 ? 0 : 1
        default: break
        }
        message.isRetained = envelope.header("x-mqtt-retain") == .boolean(true)
        message.isKeptElsewhere = isCluster && envelope.header("x-apus-retained") == .boolean(true)
        var properties = Properties()
        properties.contentType = try envelope.contentType.map { bytes throws(Unmappable) in
            try Self.text(bytes, "content type")
        }
        if let encoding = envelope.contentEncoding, Self.namesUTF8(encoding), UTF8.isValidMQTT(payload.span) {
            properties.payloadFormatIndicator = true
        }
        properties.messageExpiryInterval = envelope.expiration.flatMap(Self.seconds)
        properties.responseTopic = try envelope.replyTo.map { key throws(Unmappable) in
            String(decoding: try keys.topic(ofKey: key, limits: limits), as: UTF8.self)
        }
        properties.correlationData = envelope.correlation
        if case .bytes(let data) = envelope.header("x-mqtt-correlation-data") { properties.correlationData = data }
        for header in envelope.headers
        where !Self.reserved.contains(header.name) && header.name != Array(Self.redelivered.utf8) {
            try add(header, to: &properties.userProperties)
        }
        message.properties = Self.encode(properties)
        // What brokers say of each other's messages may be a little longer than those.
        guard Self.size(of: message) <= packetSize || message.topic.starts(with: "$apus/".utf8) else {
            throw Unmappable("a message of \(Self.size(of: message)) bytes, more than limits.packet_size")
        }
        // Brokers of a cluster know by its number what they have had.
        if isRedelivered, message.origin == nil {
            var marked = message
            properties.userProperties.append(UserProperty(Self.redelivered, "true"))
            marked.properties = Self.encode(properties)
            // Rather without the mark than not at all.
            if Self.size(of: marked) <= packetSize { return marked }
        }
        return message
    }

    /// As a PUBLISH: the fixed header, the topic's length, the identifier and the properties' length are at most 13 bytes.
    private static func size(of message: Message) -> Int {
        13 + message.topic.count + message.payload.count + message.properties.count
    }

    /// nil: the message does not say where it comes from, and may be heard as often as it comes.
    private static func origin(_ envelope: Envelope) -> MessageOrigin? {
        guard case .text(let node) = envelope.header("x-apus-node"),
            case .text(let text) = envelope.header("x-apus-id"), let identity = MessageIdentity(text: text)
        else { return nil }
        return MessageOrigin(identity, node: node)
    }

    /// What MQTT has no type for is left out: tables, lists of tables, bytes that are no text.
    private func add(_ header: Header, to properties: inout [UserProperty]) throws(Unmappable) {
        let values: [[UInt8]]
        switch header.value {
        case .text(let value): values = [value]
        case .texts(let list): values = list
        case .boolean(let flag): values = [Array("\(flag)".utf8)]
        case .byte(let number): values = [Array("\(number)".utf8)]
        case .integer(let number): values = [Array("\(number)".utf8)]
        case .bytes, .other: return
        }
        let name = try Self.text(header.name, "name of a header")
        for value in values { properties.append(UserProperty(name, try Self.text(value, "header \(name)"))) }
    }

    /// MQTT 5 §1.5.4: at most 65,535 bytes of UTF-8 without U+0000.
    private static func text(_ bytes: [UInt8], _ what: String) throws(Unmappable) -> String {
        guard bytes.count <= 65_535, UTF8.isValidMQTT(bytes.span) else {
            throw Unmappable("a \(what) that is no text of MQTT's")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func namesUTF8(_ encoding: [UInt8]) -> Bool {
        let name = String(decoding: encoding, as: UTF8.self).lowercased()
        return name == "utf-8" || name == "utf8"
    }

    /// Milliseconds in digits, as whole seconds: what is less than one is one.
    private static func seconds(_ expiration: [UInt8]) -> UInt32? {
        UInt64(String(decoding: expiration, as: UTF8.self)).map { UInt32(clamping: ($0 + 999) / 1000) }
    }

    /// Without the length that stands before them.
    private static func encode(_ properties: Properties) -> [UInt8] {
        if properties.isEmpty { return [] }
        var bytes: [UInt8] = []
        properties.encode(into: &bytes)
        let length = bytes.prefix { $0 & 0x80 != 0 }.count + 1
        return Array(bytes[length...])
    }
}
