// The retained messages, one a topic.
//
// Called by the router for every PUBLISH that is to be retained; RetainedSet+Match.swift has what it calls for every new
// subscription. A topic's text lies in the tree of its levels, which topics share; payload and properties lie in a pool
// of bytes. Nothing here is fatal but a message's number that is out of range.

import EventLoop

/// Why a message was not retained.
enum RetainedRefused: Error, Equatable {
    /// There are `RetainedSet.Limits.messages` already, none of them of this topic.
    case tooManyMessages
    /// With this message there would be more than `RetainedSet.Limits.bytes`.
    case tooManyBytes
}

/// What is kept of a message beside its bytes. One without a payload is none (MQTT 5 §3.3.1.3): it says that the topic was cleared,
/// for the brokers of a cluster.
struct RetainedMessage {
    /// The node whose path is the topic.
    var node: UInt32
    /// Where payload and properties lie in the pool; the next free number where the number is free.
    var place: UInt32
    var topicLength: UInt32
    var payloadLength: UInt32
    var propertiesLength: UInt32
    var qos: UInt8
    /// Seconds of the store's clock at which it is of no use any more; 0: never.
    var expiresAt: UInt32 = 0
    /// In a cluster: which of two of a topic is the later one. 0: it is from a time before that.
    var stamp: UInt64 = 0

    var isCleared: Bool { payloadLength == 0 }
    /// Bytes of payload and properties.
    var stored: Int { Int(payloadLength) + Int(propertiesLength) }
    /// Bytes of topic, payload and properties.
    var size: Int { Int(topicLength) + stored }
}

/// The retained messages of all topics.
struct RetainedSet: ~Copyable {
    struct Limits {
        var messages = 1_000_000
        /// Of topics, payloads and properties.
        var bytes = 1 << 30
        /// Topics that are known as cleared.
        var cleared = 65_536
    }

    /// May become lower than what there is: then nothing is forgotten, but nothing is added either.
    var limits: Limits
    var nodes: TopicNodes
    private var pool = BytePool()
    private var messages = Table<RetainedMessage>()
    private var free = none
    private(set) var count = 0
    /// Topics that are known as cleared; they are not counted as messages.
    private(set) var cleared = 0
    /// What `limits.bytes` bounds.
    private(set) var bytes = 0

    init(limits: Limits = Limits(), seed: UInt64 = .random(in: .min ... .max)) {
        self.limits = limits
        nodes = TopicNodes(hasher: TopicHasher(seed: seed))
    }

    /// A message by the number that `find(_:)` or a match gave, valid until the next change.
    subscript(number: UInt32) -> RetainedMessage { messages[Int(number)] }

    /// All numbers that messages may have; `has(_:)` tells which do.
    var numbers: Range<UInt32> { 0..<UInt32(messages.count) }

    /// Whether there is a message with this number, or a topic that is known as cleared.
    func has(_ number: UInt32) -> Bool { nodes[messages[Int(number)].node].content == number }

    /// The number of the message retained for `topic`, or of its being known as cleared, or `none`.
    func find(_ topic: Span<UInt8>) -> UInt32 {
        let node = node(of: topic)
        return node == none ? none : nodes[node].content
    }

    /// Retains a message, in place of the topic's former one [MQTT-3.3.1-5], or notes that the topic was cleared.
    ///
    /// Replacing needs no room among the messages, and none among the bytes either where it takes no more of them.
    /// - Parameter payload: empty: the topic was cleared.
    mutating func set(
        _ topic: Span<UInt8>, payload: Span<UInt8>, properties: Span<UInt8>, qos: UInt8, expiresAt: UInt32 = 0,
        stamp: UInt64 = 0
    ) throws(RetainedRefused) {
        var message = RetainedMessage(
            node: node(of: topic), place: 0, topicLength: UInt32(topic.count), payloadLength: UInt32(payload.count),
            propertiesLength: UInt32(properties.count), qos: qos, expiresAt: expiresAt, stamp: stamp)
        let known = message.node == none ? none : nodes[message.node].content
        let surcharge = Self.surcharge(topic)
        let former = known == none ? 0 : messages[Int(known)].size + surcharge
        let wanted = message.size + surcharge
        let isThere = known != none && messages[Int(known)].isCleared == message.isCleared
        let hasRoom = message.isCleared ? cleared < limits.cleared : count < limits.messages
        guard isThere || hasRoom else { throw .tooManyMessages }
        guard wanted <= former || bytes - former + wanted <= limits.bytes else { throw .tooManyBytes }
        bytes += wanted - former
        if known != none {
            let old = messages[Int(known)]
            tally(old, -1)
            tally(message, 1)
            message.place = old.place
            if !pool.interchangeable(old.stored, message.stored) {
                pool.free(old.place, old.stored)
                message.place = pool.allocate(message.stored)
            }
            messages[Int(known)] = message
        } else {
            message.node = makeNode(of: topic)
            message.place = pool.allocate(message.stored)
            nodes.setContent(insert(message), of: message.node)
        }
        pool.write(payload, to: message.place)
        pool.write(properties, to: message.place, at: payload.count)
    }

    /// Forgets the message of `topic`, if there is one [MQTT-3.3.1-6].
    mutating func clear(_ topic: Span<UInt8>) {
        let number = find(topic)
        guard number != none else { return }
        let message = messages[Int(number)]
        bytes -= message.size + Self.surcharge(topic)
        tally(message, -1)
        pool.free(message.place, message.stored)
        messages[Int(number)].place = free
        free = number
        nodes.setContent(none, of: message.node)
        nodes.release(message.node)
    }

    /// The topic of a message.
    func topic(of number: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        _ = nodes.spell(messages[Int(number)].node, into: &bytes)
        return bytes
    }

    /// Makes `bytes` the topic, the payload and the properties of a message, with `properties` before its own.
    func copy(_ number: UInt32, properties: [UInt8], into bytes: inout [UInt8]) {
        let message = messages[Int(number)]
        _ = nodes.spell(message.node, into: &bytes)
        let payload = Int(message.payloadLength)
        pool.read(message.place, 0..<payload) { append($0, to: &bytes) }
        bytes.append(contentsOf: properties)
        pool.read(message.place, payload..<message.stored) { append($0, to: &bytes) }
    }

    private func append(_ more: Span<UInt8>, to bytes: inout [UInt8]) {
        let start = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: more.count))
        var room = bytes.mutableSpan
        for index in more.indices { room[start &+ index] = more[index] }
    }

    private mutating func tally(_ message: RetainedMessage, _ change: Int) {
        if message.isCleared { cleared += change } else { count += change }
    }

    private mutating func insert(_ message: RetainedMessage) -> UInt32 {
        tally(message, 1)
        guard free != none else {
            messages.append(message)
            return UInt32(messages.count - 1)
        }
        let number = free
        free = messages[Int(number)].place
        messages[Int(number)] = message
        return number
    }

    /// A level takes some hundred bytes however short it is, so that a topic of slashes alone would take hundred times
    /// what it counts: from the 33rd level on, each counts for another 128 bytes.
    private static func surcharge(_ topic: Span<UInt8>) -> Int {
        var levels = 1
        for index in topic.indices where topic[index] == UInt8(ascii: "/") { levels += 1 }
        return 128 * max(0, levels - 32)
    }

    private func node(of topic: Span<UInt8>) -> UInt32 {
        var (node, start) = (TopicNodes.root, 0)
        while node != none {
            let level = nodes.hasher.level(of: topic, from: start)
            node = nodes.child(of: node, level, in: topic)
            if level.end == topic.count { break }
            start = level.end + 1
        }
        return node
    }

    private mutating func makeNode(of topic: Span<UInt8>) -> UInt32 {
        var (node, start) = (TopicNodes.root, 0)
        while true {
            let level = nodes.hasher.level(of: topic, from: start)
            node = nodes.makeChild(of: node, level, in: topic)
            if level.end == topic.count { return node }
            start = level.end + 1
        }
    }

    /// Bytes of memory that all this takes, reserves included.
    var memory: Int { nodes.memory + pool.memory + messages.memory }
}
