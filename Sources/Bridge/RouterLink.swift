// The channel to the router, as a listener has one, with one connection on it: frames to bytes and back. It keeps nothing for
// another router: whatever is not answered comes again from RabbitMQ, or from the session.

internal import EventLoop
internal import Glibc
internal import Messages

final class RouterLink {
    /// What the router says.
    enum Event {
        case opened
        /// It does not give the session; an MQTT 5 reason code.
        case refused(UInt8)
        /// It has ended the connection.
        case dismissed
        /// A message for RabbitMQ; the identifier is 0 where no acknowledgement is asked for.
        case message(Message, identifier: UInt16)
        /// Messages from RabbitMQ that it has taken, or with a reason of 0x80 and more has not.
        case answered([UInt16], reason: UInt8)
    }

    let descriptor: Int32
    /// The place of this worker; and the router's, once it has said so.
    private let place: UInt32
    private let generation: UInt32
    private(set) var peer: UInt32 = 0
    /// Whether there is a session.
    private(set) var isOpen = false
    /// Counts the connections: the generation of the one slot.
    private var connection: UInt32 = 0

    /// Bytes that have come and are not handled: those from `inputStart` on.
    private var input: [UInt8] = []
    private var inputStart = 0
    private var buffer = [UInt8](repeating: 0, count: 256 << 10)
    /// Bytes that were handled since the channel began, and how many of them the router knows of.
    private var taken: UInt64 = 0
    private var told: UInt64 = 0
    /// Bytes that the socket has not taken: those from `outputStart` on.
    private var output: [UInt8] = []
    private var outputStart = 0
    private var isWatchedForRoom = false
    /// Acknowledgements of this turn.
    private var acknowledgements: [UInt64] = []

    private static let slot: UInt32 = 0
    /// Bytes that are taken before the router is told.
    private static let consumedStep: UInt64 = 512 << 10

    init(_ descriptor: Int32, place: UInt32, generation: UInt32) {
        self.descriptor = descriptor
        self.place = place
        self.generation = generation
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        // A stream of its own each time: behind all that came before it, and with nothing to be handled anew.
        let start = wallNanoseconds()
        write(Hello(worker: place, generation: generation, from: start, answered: start))
        write(ResumeEnd(until: start))
    }

    // MARK: to the router

    func write(_ frame: some Frame) { output += frame.encoded() }

    /// Asks for the session, which was there before and lasts.
    func reconnect(_ settings: BridgeSettings) {
        disconnect()
        connection += 1
        write(
            ConnectFrame(
                slot: Self.slot, generation: connection, acceptNumber: wallNanoseconds(),
                peer: PeerAddress(ipv4: 0x7F00_0001, port: 0), version: 5, cleanStart: false, keepAlive: 0,
                sessionExpiry: .max, receiveMaximum: settings.inFlight, maximumPacketSize: 0,
                clientIdentifier: BridgeSession.clientIdentifier, userName: [], will: nil))
    }

    func disconnect() {
        guard isOpen else { return }
        isOpen = false
        writeAcknowledgements()
        write(
            DisconnectedFrame(
                slot: Self.slot, generation: connection, reasonCode: 0, publishWill: false, sessionExpiry: nil))
    }

    func tellCongestion(_ congested: Bool) {
        guard isOpen else { return }
        write(CongestionFrame(slot: Self.slot, generation: connection, congested: congested))
    }

    func acknowledge(_ identifier: UInt16) {
        acknowledgements.append(
            SlotEntry(
                acknowledgement: 4, slot: Self.slot, generation: connection, packetIdentifier: identifier
            ).word)
    }

    func publish(_ message: Message, _ identifier: UInt16) {
        var head = [UInt8](repeating: 0, count: PublishFrame.headByteCount)
        let flags = message.qos << 1 | (message.isRetained ? 1 : 0) | (message.isDuplicate ? 8 : 0)
        var span = head.mutableSpan
        var raw = unsafe span.mutableBytes
        PublishFrame.writeHead(
            to: &raw, slot: Self.slot, generation: connection, packetIdentifier: identifier, flags: flags,
            topicLength: message.topic.count, payloadLength: message.payload.count,
            propertiesLength: message.properties.count)
        output += head
        output += message.topic
        output += message.payload
        output += message.properties
    }

    private func writeAcknowledgements() {
        guard !acknowledgements.isEmpty else { return }
        let length = FrameHead.byteCount + SlotEntry.byteCount * acknowledgements.count
        append(FrameHead.word(length: length, type: .acknowledge))
        for word in acknowledgements { append(word) }
        acknowledgements.removeAll(keepingCapacity: true)
    }

    private func append(_ word: UInt64) {
        for shift in stride(from: 0, to: 64, by: 8) { output.append(UInt8(truncatingIfNeeded: word >> UInt64(shift))) }
    }

    /// Sends what the socket takes.
    func flush(_ poller: inout Poller) {
        writeAcknowledgements()
        while outputStart < output.count {
            let output = output
            let bytes = output.span
            guard case .bytes(let count) = send(descriptor, bytes.raw.extracting(outputStart..<bytes.count)) else { break }
            outputStart += count
        }
        if outputStart == output.count {
            output.removeAll(keepingCapacity: output.capacity < 1 << 20)
            outputStart = 0
        } else if outputStart > output.count / 2 {
            output.removeFirst(outputStart)
            outputStart = 0
        }
        let waits = !output.isEmpty
        guard waits != isWatchedForRoom else { return }
        isWatchedForRoom = waits
        try? poller.modify(descriptor, waits ? [.readable, .writable] : .readable, tag: Bridge.Tag.router)
    }

    // MARK: from the router

    /// Reads what has come.
    /// - Returns: false where the channel is at its end.
    func receive() -> Bool {
        if inputStart > 0 {
            input.removeFirst(inputStart)
            inputStart = 0
        }
        var span = buffer.mutableSpan
        var room = unsafe span.mutableBytes
        let transfer = EventLoop.receive(descriptor, into: &room)
        if case .bytes(let count) = transfer { input += buffer[..<count] }
        switch transfer {
        case .bytes, .wouldBlock: return true
        case .ended, .failed: return false
        }
    }

    /// The next thing that the router has said; nil: nothing is there that is whole.
    func next() throws(FrameError) -> Event? {
        while let header = try head() {
            guard input.count - inputStart >= header.length else { return nil }
            let start = inputStart
            inputStart += header.length
            taken += UInt64(header.length)
            if taken >= told + Self.consumedStep {
                told = taken
                write(ConsumedFrame(offset: taken))
            }
            if let event = try understand(start, header) { return event }
        }
        return nil
    }

    private func head() throws(FrameError) -> FrameHead? {
        let input = input
        let bytes = input.span
        return try FrameHead.read(bytes.raw, at: inputStart)
    }

    private func understand(_ start: Int, _ header: FrameHead) throws(FrameError) -> Event? {
        let input = input
        let bytes = input.span
        let frame = bytes.raw.extracting(start..<(start + header.length))
        switch header.type {
        case .hello: peer = try Hello(decoding: frame).worker
        case .connack:
            let answer = try ConnackFrame(decoding: frame)
            guard answer.generation == connection else { return nil }
            guard answer.reasonCode == 0 else { return .refused(answer.reasonCode) }
            isOpen = true
            return .opened
        case .deliver: return try message(frame, header)
        case .acknowledge: return answers(frame, header)
        case .refusal:
            let refusal = try RefusalFrame(decoding: frame)
            guard refusal.generation == connection else { return nil }
            return .answered([refusal.packetIdentifier], reason: refusal.reasonCode)
        case .dismiss:
            guard try DismissFrame(decoding: frame).generation == connection else { return nil }
            isOpen = false
            return .dismissed
        // What a listener keeps for another router.
        case .batch, .marks, .deferred, .completed, .note, .suback, .unsuback: break
        default: throw FrameError("a frame that is not for the bridge")
        }
        return nil
    }

    private func message(_ frame: RawSpan, _ header: FrameHead) throws(FrameError) -> Event? {
        let head = try DeliverFrame(frame, at: 0, header)
        guard head.recipientCount == 1 else { throw FrameError("a message for others than the bridge") }
        let recipient = SlotEntry(word: frame.load64(at: head.recipientsOffset))
        guard recipient.generation == UInt16(truncatingIfNeeded: connection) else { return nil }
        let topicEnd = DeliverFrame.headByteCount + head.topicLength
        let payloadEnd = topicEnd + head.payloadLength
        return .message(
            Message(
                topic: frame.extracting(DeliverFrame.headByteCount..<topicEnd).array,
                payload: frame.extracting(topicEnd..<payloadEnd).array,
                properties: frame.extracting(payloadEnd..<(payloadEnd + head.propertiesLength)).array,
                qos: recipient.qos, isRetained: recipient.retain, isDuplicate: recipient.duplicate),
            identifier: recipient.packetIdentifier)
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
