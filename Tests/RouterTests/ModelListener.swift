// A listener as a value: what it keeps over the death of a router, and what it says to the next, as
// docs/protocol/data.md has it.

import Messages
import Testing

/// What a client of the model's hears.
enum Heard: Equatable {
    case message(slot: UInt32, topic: String, payload: String, SlotEntry)
    case acknowledgement(Entry)
    case connack(slot: UInt32, present: Bool)
    case suback(slot: UInt32)
    case dismissed(slot: UInt32)
}

struct ModelListener {
    /// A connection whose CONNECT was answered with success.
    struct Connection {
        var connect: ConnectFrame
        var isDurable = false
        var isOpen = false
        var subscriptions: [ResumeFrame.Subscription] = []
        var window: [UInt16] = []
        var last: UInt16 = 0
        var note: [UInt8] = []
        var list: [UInt8] = []
        /// Where its `disconnected` ends; it is named until that is released.
        var endedAt: UInt64?
    }

    private struct Kept {
        var start: UInt64
        var bytes: [UInt8]
        var end: UInt64 { start + UInt64(bytes.count) }
    }

    let place: UInt32
    var connections: [UInt32: Connection] = [:]
    private var kept: [Kept] = []
    private(set) var end: UInt64 = 0
    private(set) var released: UInt64 = 0
    private(set) var answered: UInt64 = 0
    private var marks: [UInt32: UInt64] = [:]
    /// What was said and is not put into the channel.
    var unsent: [UInt8] = []
    /// What came and is not applied.
    private var incoming: [UInt8] = []
    private var applied: UInt64 = 0
    private(set) var replayedFrames = 0

    init(place: UInt32) { self.place = place }

    // MARK: towards the router

    mutating func say(_ frame: [UInt8]) {
        kept.append(Kept(start: end, bytes: frame))
        end += UInt64(frame.count)
        unsent += frame
    }

    /// An acknowledgement of a client's.
    mutating func acknowledge(_ slot: UInt32, _ kind: UInt8, _ identifier: UInt16) {
        if kind == 4 || kind == 7 { connections[slot]?.window.removeAll { $0 == identifier } }
        let entry = SlotEntry(acknowledgement: kind, slot: slot, generation: 1, packetIdentifier: identifier)
        let words = [FrameHead.word(length: 16, type: .acknowledge), entry.word]
        say(words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } })
    }

    mutating func connect(_ frame: ConnectFrame) {
        connections[frame.slot] = Connection(connect: frame)
        say(frame.encoded())
    }

    mutating func disconnect(_ slot: UInt32, will: Bool) {
        say(
            DisconnectedFrame(slot: slot, generation: 1, reasonCode: 0, publishWill: will, sessionExpiry: nil)
                .encoded())
        connections[slot]?.endedAt = end
    }

    mutating func reportConsumed() { say(ConsumedFrame(offset: applied).encoded()) }

    /// A new router: the rest of the old channel is nothing.
    mutating func begin() {
        incoming = []
        applied = 0
        let hello = Hello(
            worker: place, generation: 1, from: released, answered: answered,
            marks: marks.sorted { $0.key < $1.key }.map { StreamMark(place: $0.key, offset: $0.value) })
        unsent = hello.encoded()
        for (_, connection) in connections.sorted(by: { $0.key < $1.key }) where connection.isOpen {
            unsent +=
                ResumeFrame(
                    connect: connection.connect, congested: false, outstanding: UInt16(connection.window.count),
                    lastPacketIdentifier: connection.last, window: connection.isDurable ? connection.window : [],
                    subscriptions: connection.isDurable ? [] : connection.subscriptions, note: connection.note,
                    list: connection.list
                ).encoded()
        }
        unsent += ResumeEnd(until: end).encoded()
        for frame in kept { unsent += frame.bytes }
        replayedFrames += kept.count
    }

    // MARK: from the router

    /// Applies every batch that is whole.
    mutating func hear(_ bytes: [UInt8]) throws -> [Heard] {
        incoming += bytes
        var heard: [Heard] = []
        while let head = try BatchFrame.read(incoming.span.raw, at: 0) {
            let total = BatchFrame.byteCount + head.length
            guard incoming.count >= total else { break }
            let released = BatchFrame.released(incoming.span.raw, at: 0)
            for frame in try batches(Array(incoming[..<total])).flatMap(\.frames) { try apply(frame, &heard) }
            try #require(head.answers >= answered && head.answers <= end)
            try #require(released >= self.released && released <= head.answers)
            answered = head.answers
            self.released = released
            kept.removeAll { $0.end <= released }
            connections = connections.filter { $0.value.endedAt.map { $0 > released } ?? true }
            applied += UInt64(total)
            incoming.removeFirst(total)
        }
        return heard
    }

    private mutating func apply(_ frame: [UInt8], _ heard: inout [Heard]) throws {
        switch FrameType(rawValue: frame[4]) {
        case .hello: break
        case .marks:
            for mark in try MarksFrame(decoding: frame).marks { marks[mark.place] = mark.offset }
        case .deferred: flag(try DeferredFrame(decoding: frame).offsets, FrameHead.deferred)
        case .completed: flag(try CompletedFrame(decoding: frame).offsets, 0)
        case .acknowledge:
            for word in entries([frame]) {
                let entry = SlotEntry(word: word)
                heard.append(.acknowledgement(Entry(entry.kind, entry.slot, entry.packetIdentifier)))
            }
        case .refusal:
            let refusal = try RefusalFrame(decoding: frame)
            Issue.record("refused: \(refusal)")
        case .deliver:
            for delivery in try deliveries([frame]) {
                for recipient in delivery.recipients { deliver(delivery, recipient, &heard) }
            }
        case .connack:
            let connack = try ConnackFrame(decoding: frame)
            try #require(connack.reasonCode == 0)
            connections[connack.slot]?.isOpen = true
            connections[connack.slot]?.isDurable = connack.durable
            connections[connack.slot]?.connect.sessionExpiry = connack.sessionExpiry
            heard.append(.connack(slot: connack.slot, present: connack.sessionPresent))
        case .suback:
            let suback = try SubackFrame(decoding: frame)
            for item in suback.items {
                connections[suback.slot]?.subscriptions.append(
                    .init(identifier: suback.identifier, options: item.options, filter: item.filter))
            }
            heard.append(.suback(slot: suback.slot))
        case .note:
            let note = try NoteFrame(decoding: frame)
            guard connections[note.slot]?.endedAt == nil else { break }
            switch note.kind {
            case .note: connections[note.slot]?.note = note.bytes
            case .list: connections[note.slot]?.list = note.bytes
            case .more: connections[note.slot]?.list += note.bytes
            }
        case .dismiss:
            let dismiss = try DismissFrame(decoding: frame)
            heard.append(.dismissed(slot: dismiss.slot))
            if connections[dismiss.slot]?.endedAt == nil { disconnect(dismiss.slot, will: false) }
        default: Issue.record("a frame that is not for a listener: \(frame[4])")
        }
    }

    private mutating func flag(_ offsets: [UInt64], _ flags: UInt8) {
        for offset in offsets {
            guard let index = kept.firstIndex(where: { $0.start == offset }) else { continue }
            kept[index].bytes[5] = kept[index].bytes[5] & 0x7F | flags
        }
    }

    private mutating func deliver(_ delivery: Delivery, _ recipient: SlotEntry, _ heard: inout [Heard]) {
        guard connections[recipient.slot]?.endedAt == nil, connections[recipient.slot] != nil else { return }
        let identifier = recipient.packetIdentifier
        if identifier != 0 {
            let last = connections[recipient.slot]?.last ?? 0
            if last == 0 || identifier &- last < 0x8000 { connections[recipient.slot]?.last = identifier }
            if connections[recipient.slot]?.window.contains(identifier) == false {
                connections[recipient.slot]?.window.append(identifier)
            }
        }
        heard.append(.message(slot: recipient.slot, topic: delivery.topic, payload: delivery.payload, recipient))
    }
}
