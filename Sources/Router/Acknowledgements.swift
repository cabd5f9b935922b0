// Acknowledgements of clients: PUBACK, PUBREC and PUBCOMP for what was sent to them, PUBREL for what they sent.

import EventLoop
import MQTT
import Messages
import Store

extension Router {
    mutating func handleAcknowledgements(
        _ link: Int, _ bytes: RawSpan, _ offset: Int, _ header: FrameHead
    ) throws(FrameError) {
        guard header.length & 7 == 0 else { throw FrameError("an Acknowledge frame with half an entry") }
        var position = offset &+ FrameHead.byteCount
        let end = offset &+ header.length
        while position < end {
            let entry = SlotEntry(word: bytes.load64(at: position))
            position &+= SlotEntry.byteCount
            guard Int(entry.slot) < links[link].slots.count else { continue }
            let number = Int(links[link].slots[Int(entry.slot)]) &- 1
            guard number >= 0, UInt16(truncatingIfNeeded: sessions[number].generation) == entry.generation else {
                continue
            }
            acknowledge(number, link, entry)
        }
    }

    @inline(__always)
    private mutating func acknowledge(_ number: Int, _ link: Int, _ entry: SlotEntry) {
        let identifier = entry.packetIdentifier
        switch PacketType(rawValue: entry.kind & 7) {
        case .puback:
            guard let exchange = sessions[number].outgoing[identifier] else { return acknowledgeUnknown(number) }
            guard exchange.stage == .acknowledgement || exchange.stage == .unknown else { break }
            complete(number, exchange)
        case .pubrec:
            guard let exchange = sessions[number].outgoing[identifier] else {
                return answerUnknown(link, number, entry)
            }
            switch exchange.stage {
            // The receiver refused it, and the exchange is over [MQTT-4.3.3].
            case .receipt where entry.kind & 8 != 0, .unknown where entry.kind & 8 != 0: complete(number, exchange)
            case .receipt, .unknown:
                sessions[number].outgoing.insert(.init(identifier, .completion, entry: exchange.entry))
                if exchange.entry == noEntry {
                    answer(link, entry, .pubrel)
                } else {
                    noteReceipt(exchange.entry, link, entry)
                }
            case .completion: answerReceipt(exchange, link, entry)
            default: answerUnknown(link, number, entry)
            }
        case .pubcomp:
            guard let exchange = sessions[number].outgoing[identifier] else { return acknowledgeUnknown(number) }
            guard exchange.stage == .completion || exchange.stage == .unknown else { break }
            complete(number, exchange)
        case .pubrel:
            if sessions[number].incoming.remove(identifier) {
                released(number, link, entry)
            } else if sessions[number].flags.contains(.resumed) {
                // The former router may have known it.
                answer(link, entry, .pubcomp)
            } else {
                refuse(link, number, .pubcomp, identifier, .packetIdentifierNotFound)
            }
        default: break
        }
    }

    /// An exchange is over: its identifier is free, and the next message may come.
    @inline(__always)
    mutating func complete(_ number: Int, _ exchange: PacketWindow.Exchange) {
        sessions[number].outgoing.remove(exchange.identifier)
        if exchange.entry != noEntry { finish(exchange.entry) }
        if sessions[number].queue.waiting != 0 { wait(number) }
    }

    /// The client has a QoS 2 message that is kept: what it is is not needed any more. PUBREL follows the commit.
    mutating func noteReceipt(_ kept: UInt32, _ link: Int, _ entry: SlotEntry) {
        if queues[kept].isUnwritten, queues[kept].message != noEntry {
            // Written or not, from now on it is only an identifier.
            queues.messages[queues[kept].message].unwritten -= 1
            queues[kept].flags.insert(.written)
        }
        queues.forgetMessage(of: kept)
        delist(kept)
        queues[kept].size = 0
        queues[kept].flags.insert(.received)
        settle(queues[kept].pending)
        queues[kept].pending = noEntry
        if queues[kept].sequence != 0 {
            identify(kept)
            durables[Int(sessions[Int(queues[kept].session)].durable)].receipts = commits.submitted + 1
        }
        answerDurably(link, queues[kept].sequence != 0, entry, .pubrel)
    }

    /// The client says again that it has a message: PUBREL follows the commit as well.
    mutating func answerReceipt(_ exchange: PacketWindow.Exchange, _ link: Int, _ entry: SlotEntry) {
        answerDurably(link, exchange.entry != noEntry && queues[exchange.entry].sequence != 0, entry, .pubrel)
    }

    /// A publisher has released its message: the identifier may mean another from now on.
    mutating func released(_ number: Int, _ link: Int, _ entry: SlotEntry) {
        let isDurable = sessions[number].isDurable
        if isDurable { log.removeReceived(UInt32(number), entry.packetIdentifier) }
        answerDurably(link, isDurable, entry, .pubcomp)
    }

    /// An identifier that is not in use: MQTT 5 has a reason for it, before it PUBREL goes all the same.
    private mutating func answerUnknown(_ link: Int, _ number: Int, _ entry: SlotEntry) {
        if haunted[UInt32(number)] != nil {
            // The receiver refused a message of the former router's, or has it.
            return entry.kind & 8 != 0 ? acknowledgeUnknown(number) : answer(link, entry, .pubrel)
        }
        if sessions[number].version == ProtocolVersion.v5.rawValue {
            refuse(link, number, .pubrel, entry.packetIdentifier, .packetIdentifierNotFound)
        } else {
            answer(link, entry, .pubrel)
        }
    }

    @inline(__always)
    mutating func answer(_ link: Int, _ entry: SlotEntry, _ type: PacketType) {
        if replay.isAnswered { return }
        links[link].acknowledge(Self.answer(entry, type))
    }

    /// Answers, where it concerns a durable session after what it depends on is on disk.
    @inline(__always)
    private mutating func answerDurably(_ link: Int, _ isDurable: Bool, _ entry: SlotEntry, _ type: PacketType) {
        if isDurable {
            if replay.isAnswered { return }
            waitForCommit(.answer(request(link), Self.answer(entry, type)))
        } else {
            answer(link, entry, type)
        }
    }

    @inline(__always)
    private static func answer(_ entry: SlotEntry, _ type: PacketType) -> SlotEntry {
        SlotEntry(
            acknowledgement: type.rawValue, slot: entry.slot, generation: UInt32(entry.generation),
            packetIdentifier: entry.packetIdentifier)
    }

    /// Answers with a reason other than success.
    mutating func refuse(
        _ link: Int, _ number: Int, _ type: PacketType, _ identifier: UInt16, _ reason: ReasonCode
    ) {
        // Answers keep the order of what they answer [MQTT-4.6.0-2].
        links[link].writeAcknowledgements()
        links[link].append(
            RefusalFrame(
                slot: sessions[number].slot, generation: sessions[number].generation, kind: type.rawValue,
                packetIdentifier: identifier, reasonCode: reason.rawValue
            ).encoded())
    }
}
