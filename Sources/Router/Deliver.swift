// Hands one message to one session: into the open Deliver frame of its link, or into its queue.

import EventLoop
import MQTT
import Messages

extension Router {
    /// Delivers to the session of one row of a match, which is no group.
    @inline(__always)
    mutating func deliver(_ row: Recipient, _ message: Outgoing) {
        let number = Int(row.session)
        var granted = row.qos
        if number == publication.publisher {
            // [MQTT-3.8.3-3]; where another subscription of its own has no such wish, that one's QoS holds.
            if row.isNoLocal { return }
            granted = row.ownQoS
        }
        let retain = message.retain && row.isRetainAsPublished
        let qos = min(message.qos, granted)
        guard row.identifiers == 0, canTake(number, qos) else {
            return deliverSlowly(row, message, qos: qos, retain: retain)
        }
        let link = Int(sessions[number].link)
        if qos > 0 { return deliverAcknowledged(number, link, message, qos: qos, retain: retain) }
        if links[link].delivery < 0 { openDelivery(link, message) }
        appendRecipient(number, link, 0, retain, identifier: 0, duplicate: false)
    }

    /// The same where the client acknowledges it. Apart, because the other is inlined only where it is short.
    @inline(never)
    private mutating func deliverAcknowledged(
        _ number: Int, _ link: Int, _ message: Outgoing, qos: UInt8, retain: Bool
    ) {
        if sessions[number].isDurable { return deliverKept(number, link, message, qos: qos, retain: retain) }
        if links[link].delivery < 0 { openDelivery(link, message) }
        appendRecipient(number, link, qos, retain)
    }

    /// Whether a message can go to the session at once: nothing waits before it, and there is room all the way.
    @inline(__always)
    func canTake(_ number: Int, _ qos: UInt8) -> Bool {
        sessions[number].queue.waiting == 0 && sessions[number].flags.isDisjoint(with: .silent)
            && links[Int(sessions[number].link)].hasRoom
            && (qos == 0 || sessions[number].outgoing.count < Int(sessions[number].receiveMaximum))
    }

    /// Begins the Deliver frame of a message on a link; recipients follow.
    @inline(__always)
    mutating func openDelivery(_ link: Int, _ message: Outgoing) {
        let length = DeliverFrame.byteCount(messageLength: message.bytes.byteCount, recipientCount: 0)
        var span = links[link].append(length)
        // The last word first: the padding up to it is zero, or part of the message copied over it.
        span.store(UInt64(0), at: length &- 8)
        span.copy(message.bytes, at: DeliverFrame.headByteCount)
        DeliverFrame.writeHead(
            to: &span, topicLength: message.topicLength, payloadLength: message.payloadLength,
            propertiesLength: message.propertiesLength, recipientCount: 0)
        links[link].delivery = links[link].outputEnd &- length
        links[link].recipients = 0
        links[link].isTouched = true
        links[link].nextOpenDelivery = openDelivery
        openDelivery = link
    }

    /// Adds a session to the open Deliver frame of its link.
    @inline(__always)
    mutating func appendRecipient(_ number: Int, _ link: Int, _ qos: UInt8, _ retain: Bool, entry: UInt32 = noEntry) {
        var identifier: UInt16 = 0
        var level = qos
        if qos > 0 {
            // A JSON client acknowledges by its TCP, whatever the QoS.
            if sessions[number].isJSON { level = 1 }
            identifier = sessions[number].outgoing.assign(level == 1 ? .acknowledgement : .receipt, entry: entry)
        }
        appendRecipient(number, link, level, retain, identifier: identifier, duplicate: false)
    }

    @inline(__always)
    mutating func appendRecipient(
        _ number: Int, _ link: Int, _ level: UInt8, _ retain: Bool, identifier: UInt16, duplicate: Bool
    ) {
        let entry = SlotEntry(
            recipient: sessions[number].slot, generation: sessions[number].generation, packetIdentifier: identifier,
            qos: level, retain: retain, duplicate: duplicate)
        var span = links[link].append(SlotEntry.byteCount)
        span.store(entry.word, at: 0)
        links[link].recipients &+= 1
        counters[RouterCounter.messagesDelivered.rawValue] &+= 1
    }

    /// Completes the Deliver frames of a message.
    @inline(__always)
    mutating func closeDeliveries() {
        while openDelivery >= 0 {
            let link = openDelivery
            let start = links[link].delivery
            let length = links[link].outputEnd &- start
            var head = links[link].output.mutableSpan(start, 16)
            head.store(FrameHead.word(length: length, type: .deliver), at: 0)
            head.store(UInt32(truncatingIfNeeded: links[link].recipients), at: 8)
            links[link].delivery = -1
            openDelivery = links[link].nextOpenDelivery
        }
    }

    /// At once, but kept until it is acknowledged. Where that comes before it is time to write it to the store, it never
    /// is; and should a member of a group leave before that, another gets it.
    @inline(never)
    mutating func deliverKept(
        _ number: Int, _ link: Int, _ message: Outgoing, qos: UInt8, retain: Bool, group: UInt32 = noEntry
    ) {
        let isDurable = sessions[number].isDurable
        // At QoS 2 its identifier is on disk before it is sent, and so is its number for a cluster.
        guard (qos == 1 || !isDurable || !waitsForDisk || sessions[number].isJSON) && !isNumbered(number) else {
            return enqueue(number, message, qos: qos, retain: retain, group: group)
        }
        let entry = queues.append(
            QueueEntry(
                message: keep(message), session: UInt32(truncatingIfNeeded: number), qos: qos,
                flags: retain ? [.sent, .retain] : .sent, group: group,
                size: UInt32(truncatingIfNeeded: message.bytes.byteCount),
                sequence: isDurable ? nextSequence(number) : 0, pending: addDebt(), origin: origin),
            to: &sessions[number].queue)
        if isDurable { linger(entry) }
        if links[link].delivery < 0 { openDelivery(link, message) }
        guard isDurable, !sessions[number].isJSON else {
            appendRecipient(number, link, qos, retain, entry: entry)
            queues[entry].packetIdentifier = sessions[number].outgoing.lastAssigned
            return
        }
        let identifier = sessions[number].outgoing.assign(
            qos == 1 ? .acknowledgement : .receipt, entry: entry, origin: queues[entry].origin)
        queues[entry].packetIdentifier = identifier
        appendRecipient(number, link, qos, retain, identifier: identifier, duplicate: false)
    }

    /// With subscription identifiers, which only this session's copy carries; or into the queue.
    @inline(never)
    private mutating func deliverSlowly(_ row: Recipient, _ message: Outgoing, qos: UInt8, retain: Bool) {
        let number = Int(row.session)
        enqueue(
            number, message, qos: qos, retain: retain,
            identifiers: encodedIdentifiers(
                row, sessions[number].version, isOwn: number == publication.publisher))
    }

    /// The subscription identifiers of a row as properties.
    ///
    /// - Parameter isOwn: the message is the session's own, and comes by those subscriptions only that are not No Local.
    private func encodedIdentifiers(_ row: Recipient, _ version: UInt8, isOwn: Bool) -> [UInt8] {
        guard row.identifiers != 0, version == ProtocolVersion.v5.rawValue else { return [] }
        var bytes: [UInt8] = []
        var cursor = row.identifiers
        while let identifier = tree.identifier(after: &cursor) {
            let isNoLocal = identifier >> 31 == 1
            if isOwn, isNoLocal { continue }
            bytes.append(contentsOf: identifierProperty(identifier & 0x0FFF_FFFF))
        }
        return bytes
    }

    /// The property Subscription Identifier.
    func identifierProperty(_ identifier: UInt32) -> [UInt8] {
        var bytes: [UInt8] = [0x0B]
        VariableByteInteger.append(Int(identifier), to: &bytes)
        return bytes
    }
}

/// A message on its way out: its bytes, and what is the same for everyone who gets it.
struct Outgoing: ~Escapable {
    /// Topic, payload and properties, adjacent.
    let bytes: RawSpan
    let topicLength: Int
    let propertiesLength: Int
    let qos: UInt8
    let retain: Bool
    /// When it is of no use any more, where that was settled before; 0: its properties tell.
    let expiresAt: UInt32

    @inline(__always)
    @_lifetime(copy bytes)
    init(
        _ bytes: RawSpan, topicLength: Int, propertiesLength: Int, qos: UInt8, retain: Bool, expiresAt: UInt32 = 0
    ) {
        self.expiresAt = expiresAt
        self.bytes = bytes
        self.topicLength = topicLength
        self.propertiesLength = propertiesLength
        self.qos = qos
        self.retain = retain
    }

    var payloadLength: Int {
        @inline(__always) get { bytes.byteCount &- topicLength &- propertiesLength }
    }

    /// Whether the topic is below `$SYS`, which is the broker's own (MQTT 5 §4.7.2), or `$apus`, by which brokers of a cluster
    /// speak with each other.
    var isOfTheBroker: Bool {
        @inline(__always) get { topicLength >= 5 && bytes.load8(at: 0) == UInt8(ascii: "$") && isReserved }
    }

    private var isReserved: Bool {
        @inline(never) get {
            // "$SYS" and "$apu" as little-endian integers.
            switch bytes.load32(at: 0) {
            case 0x5359_5324: bytes.load8(at: 4) == UInt8(ascii: "/")
            case 0x7570_6124:
                topicLength >= 6 && bytes.load8(at: 4) == UInt8(ascii: "s") && bytes.load8(at: 5) == UInt8(ascii: "/")
            default: false
            }
        }
    }
}
