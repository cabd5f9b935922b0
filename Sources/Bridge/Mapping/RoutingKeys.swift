// Topics and routing keys: `/` stands for `.` and back, as RabbitMQ's own MQTT plugin has it, within a template. What would
// come back as another name is refused: it is never changed silently. A value; nothing here is I/O.

internal import MQTT
internal import Messages

/// Why a message can not be said on the other side, in words.
struct Unmappable: Error, Equatable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// How topics become routing keys.
struct RoutingKeys: Equatable, Sendable {
    /// AMQP 0-9-1 §4.2.5.3: a key is a short string.
    static let longestKey = 255

    /// What stands before and behind the topic.
    let prefix: [UInt8]
    let suffix: [UInt8]

    /// - Parameter template: has `{topic}` in it once, or is taken as if it were that alone.
    init(template: String) {
        let bytes = Array(template.utf8)
        let mark = Array("{topic}".utf8)
        guard let start = bytes.indices.first(where: { bytes[$0...].starts(with: mark) }) else {
            (prefix, suffix) = ([], [])
            return
        }
        prefix = Array(bytes[..<start])
        suffix = Array(bytes[(start + mark.count)...])
    }

    /// The key of a topic.
    func key(ofTopic topic: [UInt8]) throws(Unmappable) -> [UInt8] {
        if topic.contains(UInt8(ascii: ".")) { throw Unmappable("a topic with a dot, which is AMQP's separator") }
        // RabbitMQ's plugin would hand it to its clients as a topic with a wildcard.
        if topic.contains(UInt8(ascii: "*")) { throw Unmappable("a topic with an asterisk, which is AMQP's wildcard") }
        let key = prefix + topic.map { $0 == UInt8(ascii: "/") ? UInt8(ascii: ".") : $0 } + suffix
        guard key.count <= Self.longestKey else {
            throw Unmappable("a routing key of \(key.count) bytes, more than AMQP's \(Self.longestKey)")
        }
        return key
    }

    /// The topic of a key.
    /// - Parameter limits: the longest topic in bytes, and the most levels.
    func topic(ofKey key: [UInt8], limits: (length: Int, levels: Int)) throws(Unmappable) -> [UInt8] {
        guard key.count >= prefix.count + suffix.count, key.starts(with: prefix),
            key[(key.count - suffix.count)...] == suffix[...]
        else { throw Unmappable("a routing key that is not made as routing_key says") }
        let middle = key[prefix.count..<(key.count - suffix.count)]
        if middle.contains(UInt8(ascii: "/")) {
            throw Unmappable("a routing key with a slash, which is MQTT's separator")
        }
        if middle.contains(UInt8(ascii: "*")) { throw Unmappable("a routing key with an asterisk, AMQP's wildcard") }
        let topic = middle.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "/") : $0 }
        do throws(ProtocolError) {
            try TopicName.check(topic.span)
        } catch {
            throw Unmappable(error.what.description)
        }
        guard topic.count <= limits.length, TopicName.levels(topic.span) <= limits.levels else {
            throw Unmappable("a topic longer or deeper than limits.topic_length and limits.topic_levels allow")
        }
        return topic
    }

    /// The binding key of a topic filter: `+` becomes `*`, `#` means the same on both sides.
    func binding(ofFilter filter: String) throws(Unmappable) -> [UInt8] {
        if filter.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "*") }) {
            throw Unmappable("a filter with a dot or an asterisk, which mean something else in AMQP")
        }
        let key =
            prefix
            + filter.utf8.map { byte in
                switch byte {
                case UInt8(ascii: "/"): UInt8(ascii: ".")
                case UInt8(ascii: "+"): UInt8(ascii: "*")
                default: byte
                }
            } + suffix
        guard key.count <= Self.longestKey else {
            throw Unmappable("a binding key of \(key.count) bytes for \(filter), more than AMQP's \(Self.longestKey)")
        }
        return key
    }
}
