// One change as it lies in a ChangeLog: a head of fixed size, then its bytes. ChangeLog writes them, the writer thread
// reads them.

/// The head of a change. Fields that a kind does not name are 0.
struct Operation: BitwiseCopyable {
    enum Kind: UInt8 {
        /// number = expiresAt, expiresAt = willAt, last = acceptedAt, short = version, long = expiryInterval; first = client identifier,
        /// rest = will.
        case putSession
        /// All of the session: subscriptions, queue, received identifiers.
        case removeSession
        /// qos = options, long = identifier; rest = filter.
        case putSubscription
        /// rest = filter.
        case removeSubscription
        /// number = id, last = references; rest = the message.
        case putMessage
        /// number = id.
        case removeMessage
        /// number = sequence, short = packet identifier; first = identifiers, rest = the message.
        case putEntry
        /// The same with last = the message's id and no rest.
        case putSharedEntry
        /// number = sequence, short = packet identifier.
        case assign
        /// number and last = the first and the last sequence.
        case removeEntries
        /// number = messages, last = bytes.
        case trim
        /// short = packet identifier.
        case putReceived
        case removeReceived
        /// number = stamp; rest = the message.
        case putRetained
        /// rest = the topic.
        case removeRetained
        /// number = store seconds, last = wall seconds, expiresAt = seconds since boot; rest = the boot's id.
        case putClock
        /// long = place, number = bytes.
        case putMark
        /// long = number, number = count; first = node, rest = items.
        case putSeen
        /// number and last = the first and the last number.
        case removeSeen
    }

    var kind: Kind
    var qos: UInt8 = 0
    var flags: UInt8 = 0
    var stage: UInt8 = 0
    var session: UInt32 = 0
    var number: UInt64 = 0
    var last: UInt64 = 0
    var expiresAt: UInt64 = 0
    var short: UInt16 = 0
    var topicLength: UInt16 = 0
    var long: UInt32 = 0
    var propertiesLength: UInt32 = 0
    /// Bytes behind the head: the first part, and all.
    var firstLength: UInt32 = 0
    var byteCount: UInt64 = 0

    static var size: Int { MemoryLayout<Operation>.stride }

    var messageHead: MessageHead {
        MessageHead(topicLength: topicLength, propertiesLength: propertiesLength, expiresAt: expiresAt)
    }
    var entryHead: EntryHead { EntryHead(qos: qos, flags: flags, packetIdentifier: short, stage: stage) }
}

/// How a session and a sequence become one key, so that a queue is one range of one B-tree.
enum QueueKey {
    static let sequenceBits: UInt64 = 40
    static let sessions: UInt32 = 1 << 23
    static let sequences: UInt64 = 1 << sequenceBits

    /// - Parameter sequence: too large ones mean the last.
    static func make(_ session: UInt32, _ sequence: UInt64) -> Int64 {
        Int64(session) << Int64(sequenceBits) | Int64(min(sequence, sequences - 1))
    }
    static func session(_ key: Int64) -> UInt32 { UInt32(truncatingIfNeeded: key >> Int64(sequenceBits)) }
    static func sequence(_ key: Int64) -> UInt64 { UInt64(bitPattern: key) & (sequences - 1) }
}
