// Frames that a former router was told, handled anew: what they led to is made up for where it is not there. Called while
// a channel begins. ReplayRoute.swift has their messages' way.

import EventLoop
import MQTT
import Messages
import Store

/// The frame that is being handled anew.
struct Replay {
    /// -1: none is.
    var link = -1
    /// Where it ends in its listener's stream.
    var offset: UInt64 = 0
    /// Its sender has its answer.
    var isAnswered = false
    /// The store has its effect.
    var isStored = false

    var isActive: Bool { link >= 0 }
}

extension Router {
    /// Handles one frame of a former router's anew.
    @inline(never)
    mutating func handleAnew(_ link: Int, _ frame: RawSpan, _ header: FrameHead) throws(FrameError) {
        links[link].frameStart = links[link].handled
        links[link].handled += UInt64(header.length)
        let offset = links[link].handled
        replay = Replay(
            link: link, offset: offset,
            isAnswered: offset <= links[link].applied && header.flags & FrameHead.deferred == 0,
            isStored: offset <= storedMarks[links[link].worker] ?? 0)
        if ledger.begin(links[link].worker, offset) {
            try dispatchAnew(link, frame, header)
        } else {
            skip(link, frame, header)
        }
        replay = Replay()
        guard links[link].isOpen else { return }
        // What had waited, and does not any more.
        if header.flags & FrameHead.deferred != 0, links[link].deferred.last != links[link].frameStart {
            links[link].complete(links[link].frameStart)
        }
        if links[link].batch >= 0, links[link].outputEnd &- links[link].batch > ListenerLink.batchLength {
            closeBatch(link)
        }
        if links[link].handled >= links[link].until {
            links[link].phase = .replayed
            watch(link, forRoom: links[link].isWatchedForRoom)
        }
    }

    private mutating func dispatchAnew(_ link: Int, _ frame: RawSpan, _ header: FrameHead) throws(FrameError) {
        switch header.type {
        case .publish: try publishAnew(link, frame, header)
        case .acknowledge: try acknowledgeAnew(link, frame)
        case .connect:
            let connect = try ConnectFrame(decoding: frame)
            // It goes on already, or is over.
            guard !replay.isAnswered, session(link, connect.slot, connect.generation) == nil else { break }
            try self.connect(link, connect)
        case .disconnected: disconnected(link, try DisconnectedFrame(decoding: frame))
        case .subscribe:
            let subscribe = try SubscribeFrame(decoding: frame)
            if !replay.isAnswered { self.subscribe(link, subscribe) }
        case .unsubscribe:
            let unsubscribe = try UnsubscribeFrame(decoding: frame)
            if !replay.isAnswered { self.unsubscribe(link, unsubscribe) }
        // The one is known from `resume`, the other is about a channel that is gone.
        case .congestion, .consumed: break
        default: throw FrameError("a frame that is not for the router")
        }
    }

    private mutating func publishAnew(_ link: Int, _ bytes: RawSpan, _ header: FrameHead) throws(FrameError) {
        let frame = try PublishFrame(bytes, at: 0, header)
        let current = session(link, frame.slot, frame.generation)
        guard let publisher = current ?? replacedSession(link, frame.slot, UInt16(truncatingIfNeeded: frame.generation))
        else { return }
        publication = Publication()
        publication.publisher = publisher
        publication.packetIdentifier = replay.isAnswered || current == nil ? 0 : frame.packetIdentifier
        publication.kind = PacketType.puback.rawValue
        if frame.qos == 2, !sessions[publisher].isJSON {
            publication.kind = PacketType.pubrec.rawValue
            guard receiveAnew(publisher, frame.packetIdentifier, isDuplicate: frame.flags & 8 != 0) else { return }
        }
        if frame.hasOrigin { return try publishOnce(link, bytes, 0, frame) }
        let message = Outgoing(
            bytes.extracting(PublishFrame.headByteCount..<(PublishFrame.headByteCount + frame.messageLength)),
            topicLength: frame.topicLength, propertiesLength: frame.propertiesLength, qos: frame.qos,
            retain: frame.retain)
        let isRetained = frame.retain && !frame.isKeptElsewhere && !replay.isStored
        if isRetained || message.isOfTheBroker || frame.isPayloadInvalid {
            guard admit(message, isPayloadInvalid: frame.isPayloadInvalid) else { return }
        }
        routeAnew(message)
        answerPublication()
    }

    /// Notes a QoS 2 message's identifier again.
    /// - Returns: false for a repetition by the client.
    private mutating func receiveAnew(_ publisher: Int, _ identifier: UInt16, isDuplicate: Bool) -> Bool {
        let isKnown = sessions[publisher].incoming.contains(identifier)
        // The store may know it from this very frame.
        if isKnown, isDuplicate || !(replay.isStored && sessions[publisher].isDurable) {
            publication.needsCommit = sessions[publisher].isDurable
            answerPublication()
            return false
        }
        sessions[publisher].incoming.insert(.init(identifier, .release))
        if sessions[publisher].isDurable, !replay.isStored {
            log.putReceived(UInt32(publisher), identifier)
            publication.needsCommit = true
        }
        return true
    }

    // MARK: acknowledgements

    private mutating func acknowledgeAnew(_ link: Int, _ frame: RawSpan) throws(FrameError) {
        guard frame.byteCount & 7 == 0 else { throw FrameError("an Acknowledge frame with half an entry") }
        for position in stride(from: FrameHead.byteCount, to: frame.byteCount, by: SlotEntry.byteCount) {
            let entry = SlotEntry(word: frame.load64(at: position))
            if Int(entry.slot) < links[link].slots.count {
                let number = Int(links[link].slots[Int(entry.slot)]) - 1
                if number >= 0, UInt16(truncatingIfNeeded: sessions[number].generation) == entry.generation {
                    acknowledgeAnew(number, link, entry)
                    continue
                }
            }
            guard let number = replacedSession(link, entry.slot, entry.generation) else { continue }
            let isAnswered = replay.isAnswered
            replay.isAnswered = true
            acknowledgeAnew(number, link, entry)
            replay.isAnswered = isAnswered
        }
    }

    /// The session of a connection that another has taken over: nobody is there to be answered.
    private func replacedSession(_ link: Int, _ slot: UInt32, _ generation: UInt16) -> Int? {
        guard let former = replaced[UInt64(link) << 32 | UInt64(slot)],
            UInt16(truncatingIfNeeded: former.generation) == generation
        else { return nil }
        return Int(former.session)
    }

    private mutating func acknowledgeAnew(_ number: Int, _ link: Int, _ entry: SlotEntry) {
        let identifier = entry.packetIdentifier
        // What a session that ends with its connection has outstanding is counted without those.
        let exchange = sessions[number].isDurable ? sessions[number].outgoing[identifier] : nil
        switch PacketType(rawValue: entry.kind & 7) {
        case .puback: completeAnew(number, identifier, exchange, isOnce: false)
        case .pubcomp: completeAnew(number, identifier, exchange, isOnce: true)
        case .pubrec where entry.kind & 8 != 0: completeAnew(number, identifier, exchange, isOnce: true)
        case .pubrec:
            if !replay.isStored, let exchange, exchange.stage == .receipt, exchange.entry != noEntry {
                sessions[number].outgoing.insert(.init(identifier, .completion, entry: exchange.entry))
                noteReceipt(exchange.entry, link, entry)
            } else if !replay.isStored, let exchange {
                answerReceipt(exchange, link, entry)
            } else {
                answer(link, entry, .pubrel)
            }
        case .pubrel:
            sessions[number].incoming.remove(identifier)
            if replay.isStored || !sessions[number].isDurable {
                answer(link, entry, .pubcomp)
            } else {
                released(number, link, entry)
            }
        default: break
        }
    }

    private mutating func completeAnew(
        _ number: Int, _ identifier: UInt16, _ exchange: PacketWindow.Exchange?, isOnce: Bool
    ) {
        // What the store has of it is not in use any more, or in use again.
        guard !replay.isStored else { return }
        if let exchange, exchange.entry != noEntry {
            complete(number, exchange)
        } else if !isOnce || !waitsForDisk {
            // At QoS 2 the store knew it: what it does not know is over.
            resumptions[UInt32(number)]?.acknowledged.append(identifier)
        }
    }
}
