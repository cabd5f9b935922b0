// Takes the filter of a shared subscription apart (MQTT 5 §4.8.2): `$share/group/filter`. Called by SUBSCRIBE's decoder
// and by whoever owns the groups.

/// A shared subscription's group and filter, as ranges of the bytes they were read from.
package struct SharedFilter: Sendable, Equatable {
    /// The share name, never empty.
    package let group: Range<Int>
    /// The topic filter that the group subscribes to, never empty.
    package let filter: Range<Int>

    /// Nil: an ordinary filter. `bytes` have passed `TopicFilter.check`.
    package init?(_ bytes: Span<UInt8>) throws(ProtocolError) {
        let prefix = Array("$share/".utf8)
        guard bytes.count >= prefix.count, prefix.indices.allSatisfy({ bytes[$0] == prefix[$0] }) else { return nil }
        let start = prefix.count
        var end = start
        while end < bytes.count, bytes[end] != UInt8(ascii: "/") {
            if bytes[end] == UInt8(ascii: "+") || bytes[end] == UInt8(ascii: "#") {
                throw TopicFilter.invalid("a share name with a wildcard", "MQTT-4.8.2-2")
            }
            end += 1
        }
        guard end > start else { throw TopicFilter.invalid("an empty share name", "MQTT-4.8.2-1") }
        guard end + 1 < bytes.count else {
            throw TopicFilter.invalid("a shared subscription without a topic filter", "MQTT-4.8.2-2")
        }
        group = start..<end
        filter = (end + 1)..<bytes.count
    }
}
