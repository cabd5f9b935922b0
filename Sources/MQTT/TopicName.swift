// Checks topic names (MQTT 5 §4.7). Called for every PUBLISH, for wills and response topics.

/// The rules for the topic of a message.
package enum TopicName {
    /// Passes if `bytes` are a topic name: valid UTF-8, without wildcards, not empty. One pass over ASCII.
    @inlinable @inline(__always)
    package static func check(_ bytes: Span<UInt8>) throws(ProtocolError) {
        guard bytes.count > 0 else { throw .forbidden("an empty topic name", "MQTT-4.7.3-1") }
        // No way out of the loop but its end, so that it is compiled to vector instructions. `+` and `#` differ in
        // bit 3 only; one less than 0 has the top bit set, and so has every byte that is not ASCII.
        var marks: UInt8 = 0
        for index in bytes.indices {
            let byte = bytes[index]
            marks |= byte | (byte &- 1) | (((byte & 0xF7) ^ 0x23) &- 1)
        }
        if marks >= 0x80 { try checkClosely(bytes) }
    }

    /// The topic has a wildcard, U+0000 or something beyond ASCII: which?
    @usableFromInline @inline(never)
    static func checkClosely(_ bytes: Span<UInt8>) throws(ProtocolError) {
        guard UTF8.isValidMQTT(bytes) else {
            throw .malformed("a topic name that is not valid UTF-8 or contains U+0000", "MQTT-1.5.4-1")
        }
        for index in bytes.indices where bytes[index] == UInt8(ascii: "+") || bytes[index] == UInt8(ascii: "#") {
            throw ProtocolError(
                reason: .topicNameInvalid, what: "a topic name with a wildcard", clause: "MQTT-3.3.2-2")
        }
    }

    /// How many levels a topic or filter has, at least 1: the separators and one.
    package static func levels(_ bytes: Span<UInt8>) -> Int {
        var separators = 0
        for index in bytes.indices where bytes[index] == UInt8(ascii: "/") { separators += 1 }
        return separators + 1
    }
}
