// What a match answers: rows that say who gets a message, and how.
//
// Made by TopicTree, read by the router for every message. Nothing here is fatal.

/// One receiver of a message: all subscriptions of one session that match its topic, taken together, or a group of
/// shared subscriptions, one member of which gets the message [MQTT-4.8.2-4].
struct Recipient {
    /// The session's number, or the group's.
    var session: UInt32
    /// Bits 0–1: the highest QoS of the matching subscriptions [MQTT-3.3.5-1]. Bit 2: all of them are No Local.
    /// Bit 3: one of them is Retain As Published. Bits 4–5: the highest QoS of those that are not No Local, which is
    /// what a message of the session's own is delivered with. Bit 7: a group, and no other bit; QoS and the rest are
    /// its members' own.
    var options: UInt8
    /// The subscription identifier, 0 for none; with the top bit, the first of several, for
    /// `TopicTree.identifier(after:)`.
    var identifiers: UInt32

    static let group: UInt8 = 0x80

    /// `session` is the number of a group, for `TopicTree.nextMember(ofGroup:)`.
    @inline(__always)
    var isGroup: Bool { options & Recipient.group != 0 }
    var qos: UInt8 { options & 0b11 }
    /// A message of the session's own is not delivered to it [MQTT-3.8.3-3].
    var isNoLocal: Bool { options & 0b100 != 0 }
    /// The RETAIN flag is passed on as it was published [MQTT-3.3.1-13].
    var isRetainAsPublished: Bool { options & 0b1000 != 0 }
    /// The highest QoS for a message that this session published itself.
    var ownQoS: UInt8 { options >> 4 & 0b11 }
}

/// The rows of one match: valid until the next call that changes the tree or matches.
struct MatchRange: Equatable {
    var start: UInt32
    var count: UInt32

    /// The indices of the rows, for `TopicTree.subscript(_:)`.
    @inline(__always)
    var indices: Range<Int> { Int(start)..<(Int(start) &+ Int(count)) }
}

/// One of several subscription identifiers of a row.
struct IdentifierCell {
    /// The identifier (28 bits); the top bit says that its subscription is No Local.
    var identifier: UInt32
    /// The next cell's number with the top bit, or 0.
    var next: UInt32
}
