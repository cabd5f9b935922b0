// The channel to the router, as a listener has one, with one connection on it: frames to bytes and back. Routers come and go;
// what the last one knew the next one is told, so that nothing that passes here is lost or doubled by their deaths.

internal import EventLoop
internal import Glibc
internal import Messages

final class RouterLink {
    /// What the router says.
    enum Event {
        /// There is a session.
        case opened
        /// There is none; an MQTT 5 reason code.
        case refused(UInt8)
        /// It has ended the connection.
        case dismissed
        /// A message for RabbitMQ; the identifier is 0 where no acknowledgement is asked for.
        case message(Message, identifier: UInt16)
        /// Messages from RabbitMQ that it has taken, or with a reason of 0x80 and more has not.
        case answered([UInt16], reason: UInt8)
        /// What clients subscribe to.
        case interests(InterestsFrame)
    }

    private static let slot: UInt32 = 0
    /// Bytes of the router's that are taken before it is told.
    private static let consumedStep: UInt64 = deliveryWindow / 8
    /// Bytes that the router has not answered, beyond which it is given no more messages.
    private static let credit: UInt64 = 1 << 20

    // MARK: what outlives routers
    private let place: UInt32
    private let generation: UInt32
    private var stream = FrameStream(start: wallNanoseconds())
    /// How far the router has answered, and what other streams have led to here.
    private var answered: UInt64
    private var marks: [UInt32: UInt64] = [:]
    /// What was asked for, with what was granted; nil while there is no session.
    private var accepted: ConnectFrame?
    private var asked: ConnectFrame?
    /// Counts the connections: the generation of the one slot.
    private var connection: UInt32 = 0
    /// As every connection begins: the router keeps its messages.
    private var isCongested = true
    /// What was delivered and is not acknowledged, in order; and the last that was delivered.
    private var window: [UInt16] = []
    private var lastDelivered: UInt16 = 0

    // MARK: the channel
    /// -1: there is none.
    private(set) var descriptor: Int32 = -1
    /// The router's place, once it has said so.
    private(set) var peer: UInt32 = 0
    private var prelude: [UInt8] = []
    private var isWatchedForRoom = false
    /// Bytes that have come and are not handled: those from `inputStart` on.
    private var input: [UInt8] = []
    private var inputStart = 0
    private var buffer = [UInt8](repeating: 0, count: 256 << 10)
    /// Bytes that were handled since the channel began, and how many of them the router knows of.
    private var taken: UInt64 = 0
    private var told: UInt64 = 0
    /// Acknowledgements of this turn.
    private var acknowledgements: [UInt64] = []

    init(place: UInt32, generation: UInt32) {
        self.place = place
        self.generation = generation
        answered = stream.base
    }

    var isOpen: Bool { accepted != nil }
    var hasChannel: Bool { descriptor >= 0 }
    var hasCredit: Bool { stream.end - answered < Self.credit }

    // MARK: routers come and go

    /// Takes a channel to a router, and tells it what it has to know.
    func attach(_ descriptor: Int32, _ poller: inout Poller) throws(SystemError) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        writeAcknowledgements()
        prelude =
            Hello(
                worker: place, generation: generation, from: stream.base, answered: max(answered, stream.base),
                marks: marks.map { StreamMark(place: $0.key, offset: $0.value) }
            ).encoded()
        if let accepted {
            prelude += ResumeFrame(
                connect: accepted, congested: isCongested, outstanding: UInt16(clamping: window.count),
                lastPacketIdentifier: lastDelivered, window: window, subscriptions: [], note: [], list: []
            ).encoded()
        }
        prelude += ResumeEnd(until: stream.end).encoded()
        stream.rewind()
        (input, inputStart, taken, told) = ([], 0, 0, 0)
        isWatchedForRoom = false
        try poller.add(descriptor, .readable, tag: Bridge.Tag.router)
        flush(&poller)
    }

    /// Uses the channel no more.
    func detach(_ poller: borrowing Poller) {
        guard hasChannel else { return }
        poller.remove(descriptor)
        close(descriptor)
        descriptor = -1
        peer = 0
    }

    // MARK: to the router

    private func write(_ frame: some Frame) {
        writeAcknowledgements()
        stream.append(frame.encoded())
    }

    /// Asks for the session, which was there before and lasts; ends the connection that there is.
    func connect() {
        disconnect()
        connection += 1
        let connect = ConnectFrame(
            slot: Self.slot, generation: connection, acceptNumber: wallNanoseconds(),
            peer: PeerAddress(ipv4: 0x7F00_0001, port: 0), version: 5, cleanStart: false, keepAlive: 0,
            sessionExpiry: .max, receiveMaximum: .max, maximumPacketSize: 0,
            clientIdentifier: BridgeSession.clientIdentifier, userName: [], will: nil)
        asked = connect
        write(connect)
    }

    /// Whether a session was asked for, whatever has come of it.
    var hasAsked: Bool { asked != nil }

    func disconnect() {
        guard isOpen else { return }
        write(
            DisconnectedFrame(
                slot: Self.slot, generation: connection, reasonCode: 0, publishWill: false, sessionExpiry: nil))
        forgetSession()
    }

    private func forgetSession() {
        accepted = nil
        isCongested = true
        (window, lastDelivered) = ([], 0)
        acknowledgements = []
    }

    /// While it is congested, the router keeps what is for RabbitMQ.
    func tellCongestion(_ congested: Bool) {
        guard isOpen, congested != isCongested else { return }
        isCongested = congested
        write(CongestionFrame(slot: Self.slot, generation: connection, congested: congested))
    }

    func acknowledge(_ identifier: UInt16) {
        if let index = window.firstIndex(of: identifier) { window.remove(at: index) }
        acknowledgements.append(
            SlotEntry(
                acknowledgement: 4, slot: Self.slot, generation: connection, packetIdentifier: identifier
            ).word)
    }

    func publish(_ message: Message, _ identifier: UInt16) {
        writeAcknowledgements()
        var head = [UInt8](repeating: 0, count: PublishFrame.headByteCount)
        let origin = message.origin?.encoded ?? []
        let flags =
            message.qos << 1 | (message.isRetained ? 1 : 0) | (message.isDuplicate ? 8 : 0)
            | (origin.isEmpty ? 0 : PublishFrame.origin)
            | (message.isKeptElsewhere ? PublishFrame.keptElsewhere : 0)
        var span = head.mutableSpan
        var raw = unsafe span.mutableBytes
        PublishFrame.writeHead(
            to: &raw, slot: Self.slot, generation: connection, packetIdentifier: identifier, flags: flags,
            topicLength: message.topic.count, payloadLength: message.payload.count,
            propertiesLength: message.properties.count + origin.count)
        stream.append(head)
        stream.append(message.topic)
        stream.append(message.payload)
        stream.append(message.properties)
        stream.append(origin)
    }

    private func writeAcknowledgements() {
        guard !acknowledgements.isEmpty else { return }
        let length = FrameHead.byteCount + SlotEntry.byteCount * acknowledgements.count
        var frame: [UInt8] = []
        frame.reserveCapacity(length)
        for word in [FrameHead.word(length: length, type: .acknowledge)] + acknowledgements {
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                frame.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        stream.append(frame)
        acknowledgements.removeAll(keepingCapacity: true)
    }

    /// Sends what the socket takes.
    func flush(_ poller: inout Poller) {
        guard hasChannel else { return }
        writeAcknowledgements()
        while !prelude.isEmpty {
            let bytes = prelude
            let span = bytes.span
            guard case .bytes(let count) = send(descriptor, span.raw) else { break }
            prelude.removeFirst(count)
        }
        let descriptor = descriptor
        if prelude.isEmpty {
            stream.send { rest in
                guard case .bytes(let count) = EventLoop.send(descriptor, rest) else { return 0 }
                return count
            }
        }
        let waits = !prelude.isEmpty || stream.hasUnsent
        guard waits != isWatchedForRoom else { return }
        isWatchedForRoom = waits
        try? poller.modify(descriptor, waits ? [.readable, .writable] : .readable, tag: Bridge.Tag.router)
    }

    // MARK: from the router

    /// Reads what has come.
    /// - Returns: whether there was something; nil where the channel is at its end.
    func receive() -> Bool? {
        if inputStart > 0 {
            input.removeFirst(inputStart)
            inputStart = 0
        }
        var span = buffer.mutableSpan
        var room = unsafe span.mutableBytes
        switch EventLoop.receive(descriptor, into: &room) {
        case .bytes(let count):
            input += buffer[..<count]
            return true
        case .wouldBlock: return false
        case .ended, .failed: return nil
        }
    }

    /// The next batch of what the router has said; nil: none is whole. What is not a whole batch is for nobody.
    func batch() throws(FrameError) -> [Event]? {
        let input = input
        let bytes = input.span.raw
        guard let (length, answers) = try BatchFrame.read(bytes, at: inputStart) else { return nil }
        let end = inputStart + BatchFrame.byteCount + length
        guard bytes.byteCount >= end else { return nil }
        let released = BatchFrame.released(bytes, at: inputStart)
        var events: [Event] = []
        var position = inputStart + BatchFrame.byteCount
        while position < end {
            guard let header = try FrameHead.read(bytes, at: position), position + header.length <= end else {
                throw FrameError("a frame that ends outside of its batch")
            }
            let frame = bytes.extracting(position..<(position + header.length))
            if let event = try understand(frame, header) { events.append(event) }
            position += header.length
        }
        guard answers >= answered, answers <= stream.end, released <= answers, stream.release(below: released) else {
            throw FrameError("an answer to what was never asked")
        }
        answered = answers
        taken += UInt64(end - inputStart)
        inputStart = end
        if taken >= told + Self.consumedStep {
            told = taken
            write(ConsumedFrame(offset: taken))
        }
        return events
    }

    private func understand(_ frame: RawSpan, _ header: FrameHead) throws(FrameError) -> Event? {
        switch header.type {
        case .hello: peer = try Hello(decoding: frame).worker
        case .connack:
            let answer = try ConnackFrame(decoding: frame)
            guard answer.generation == connection, var granted = asked else { return nil }
            guard answer.reasonCode == 0 else { return .refused(answer.reasonCode) }
            granted.sessionExpiry = answer.sessionExpiry
            accepted = granted
            return .opened
        case .deliver: return try message(frame, header)
        case .acknowledge: return answers(frame, header)
        case .refusal:
            let refusal = try RefusalFrame(decoding: frame)
            guard refusal.generation == connection else { return nil }
            return .answered([refusal.packetIdentifier], reason: refusal.reasonCode)
        case .dismiss:
            guard try DismissFrame(decoding: frame).generation == connection else { return nil }
            forgetSession()
            return .dismissed
        case .interests: return .interests(try InterestsFrame(decoding: frame))
        case .marks: for mark in try MarksFrame(decoding: frame).marks { marks[mark.place] = mark.offset }
        case .deferred:
            for offset in try DeferredFrame(decoding: frame).offsets { try stream.mark(offset, isDeferred: true) }
        case .completed:
            for offset in try CompletedFrame(decoding: frame).offsets { try stream.mark(offset, isDeferred: false) }
        // What concerns sessions that end with their connections.
        case .note, .suback, .unsuback: break
        default: throw FrameError("a frame that is not for the bridge")
        }
        return nil
    }

    private func message(_ frame: RawSpan, _ header: FrameHead) throws(FrameError) -> Event? {
        let head = try DeliverFrame(frame, at: 0, header)
        guard head.recipientCount == 1 else { throw FrameError("a message for others than the bridge") }
        let recipient = SlotEntry(word: frame.load64(at: head.recipientsOffset))
        guard recipient.generation == UInt16(truncatingIfNeeded: connection) else { return nil }
        let identifier = recipient.packetIdentifier
        if identifier != 0, !window.contains(identifier) {
            window.append(identifier)
            // An older one may come later, if the store had assigned it.
            if lastDelivered == 0 || identifier &- lastDelivered < 0x8000 { lastDelivered = identifier }
        }
        let topicEnd = DeliverFrame.headByteCount + head.topicLength
        let payloadEnd = topicEnd + head.payloadLength
        return .message(
            Message(
                topic: frame.extracting(DeliverFrame.headByteCount..<topicEnd).array,
                payload: frame.extracting(topicEnd..<payloadEnd).array,
                properties: frame.extracting(payloadEnd..<(payloadEnd + head.propertiesLength)).array,
                qos: recipient.qos, isRetained: recipient.retain, isDuplicate: recipient.duplicate),
            identifier: identifier)
    }

    private func answers(_ frame: RawSpan, _ header: FrameHead) -> Event? {
        var identifiers: [UInt16] = []
        for offset in stride(from: FrameHead.byteCount, to: header.length - 7, by: SlotEntry.byteCount) {
            let entry = SlotEntry(word: frame.load64(at: offset))
            guard entry.generation == UInt16(truncatingIfNeeded: connection) else { continue }
            identifiers.append(entry.packetIdentifier)
        }
        return .answered(identifiers, reason: 0)
    }
}
