// Checks topic filters and matches them against topics, one by one (MQTT 5 §4.7). The router matches with its tree;
// `matches` is the reference that trees are tested against, and serves clients.

/// The rules for the filter of a subscription.
package enum TopicFilter {
    /// Passes if `bytes` are a topic filter: valid UTF-8, not empty, wildcards only where they may stand.
    package static func check(_ bytes: Span<UInt8>) throws(ProtocolError) {
        guard bytes.count > 0 else { throw invalid("an empty topic filter", "MQTT-4.7.3-1") }
        guard UTF8.isValidMQTT(bytes) else {
            throw .malformed("a topic filter that is not valid UTF-8 or contains U+0000", "MQTT-1.5.4-1")
        }
        for index in bytes.indices {
            let opensLevel = index == 0 || bytes[index - 1] == UInt8(ascii: "/")
            switch bytes[index] {
            case UInt8(ascii: "#"):
                guard opensLevel, index == bytes.count - 1 else {
                    throw invalid("a topic filter with # that is not its last level", "MQTT-4.7.1-1")
                }
            case UInt8(ascii: "+"):
                guard opensLevel, index == bytes.count - 1 || bytes[index + 1] == UInt8(ascii: "/") else {
                    throw invalid("a topic filter with + that shares its level", "MQTT-4.7.1-2")
                }
            default: break
            }
        }
    }

    /// Whether a valid filter matches a valid topic. The filter of a shared subscription is passed without `$share`
    /// and group.
    package static func matches(_ filter: [UInt8], _ topic: [UInt8]) -> Bool {
        // [MQTT-4.7.2-1]: a leading wildcard does not match a leading $.
        if topic.first == UInt8(ascii: "$"), filter.first != UInt8(ascii: "$") { return false }
        let separator = UInt8(ascii: "/")
        let names = topic.split(separator: separator, omittingEmptySubsequences: false)
        let patterns = filter.split(separator: separator, omittingEmptySubsequences: false)
        for (level, pattern) in patterns.enumerated() {
            // # stands for its parent too: a/# matches a.
            if pattern.elementsEqual([UInt8(ascii: "#")]) { return true }
            guard level < names.count else { return false }
            guard pattern.elementsEqual([UInt8(ascii: "+")]) || pattern == names[level] else { return false }
        }
        return patterns.count == names.count
    }

    /// As `matches(_:_:)` of bytes.
    package static func matches(_ filter: String, _ topic: String) -> Bool {
        matches(Array(filter.utf8), Array(topic.utf8))
    }

    static func invalid(_ what: StaticString, _ clause: StaticString) -> ProtocolError {
        ProtocolError(reason: .topicFilterInvalid, what: what, clause: clause)
    }
}
