// Acknowledgements of clients: PUBACK, PUBREC and PUBCOMP for what was sent to them, PUBREL for what they sent.

import MQTT
import Messages

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
            if sessions[number].outgoing.stage(identifier) == .acknowledgement { complete(number, identifier) }
        case .pubrec:
            switch sessions[number].outgoing.stage(identifier) {
            case .receipt where entry.kind & 8 != 0:
                // The receiver refused it, and the exchange is over [MQTT-4.3.3].
                complete(number, identifier)
            case .receipt:
                sessions[number].outgoing.insert(identifier, .completion)
                answer(link, entry, .pubrel)
            case .completion:
                answer(link, entry, .pubrel)
            default:
                // An identifier that is not in use: MQTT 5 has a reason for it, before it PUBREL goes all the same.
                if sessions[number].version == ProtocolVersion.v5.rawValue {
                    refuse(link, number, .pubrel, identifier, .packetIdentifierNotFound)
                } else {
                    answer(link, entry, .pubrel)
                }
            }
        case .pubcomp:
            if sessions[number].outgoing.stage(identifier) == .completion { complete(number, identifier) }
        case .pubrel:
            if sessions[number].incoming.remove(identifier) {
                answer(link, entry, .pubcomp)
            } else {
                refuse(link, number, .pubcomp, identifier, .packetIdentifierNotFound)
            }
        default: break
        }
    }

    /// An exchange is over: its identifier is free, and the next message may come.
    @inline(__always)
    private mutating func complete(_ number: Int, _ identifier: UInt16) {
        sessions[number].outgoing.remove(identifier)
        if !sessions[number].queue.isEmpty { wait(number) }
    }

    @inline(__always)
    private mutating func answer(_ link: Int, _ entry: SlotEntry, _ type: PacketType) {
        links[link].acknowledge(
            SlotEntry(
                acknowledgement: type.rawValue, slot: entry.slot, generation: UInt32(entry.generation),
                packetIdentifier: entry.packetIdentifier))
    }

    /// Answers with a reason other than success.
    mutating func refuse(
        _ link: Int, _ number: Int, _ type: PacketType, _ identifier: UInt16, _ reason: ReasonCode
    ) {
        links[link].append(
            RefusalFrame(
                slot: sessions[number].slot, generation: sessions[number].generation, kind: type.rawValue,
                packetIdentifier: identifier, reasonCode: reason.rawValue
            ).encoded())
    }
}
