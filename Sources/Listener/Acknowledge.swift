// Acknowledgements both ways: collected into one frame a step towards the router, written out as packets to clients.

import Arena
import CArena
import Connection
import MQTT
import Messages

extension Listener {
    /// Adds an acknowledgement of a client's to the frame that this step collects.
    @inline(__always)
    mutating func appendAcknowledgement(kind: UInt8, _ slot: Int, _ packetIdentifier: UInt16) {
        let entry = SlotEntry(
            acknowledgement: kind, slot: UInt32(truncatingIfNeeded: slot), generation: arena[slot].generation,
            packetIdentifier: packetIdentifier)
        let collected = acknowledgements.count
        let length = FrameHead.byteCount &+ SlotEntry.byteCount &* collected
        // It can be extended as long as nothing else came behind it.
        if collected > 0, acknowledgements.start &+ UInt64(truncatingIfNeeded: length) == arena.queueEnd,
            var room = arena.appendFrame(SlotEntry.byteCount)
        {
            room.store(entry.word, at: 0)
            // Making room may have moved the frame, so it is found again by its offset.
            var frame = arena.frame(at: acknowledgements.start, FrameHead.byteCount)
            frame.store(FrameHead.word(length: length &+ SlotEntry.byteCount, type: .acknowledge), at: 0)
            acknowledgements.count = collected &+ 1
            return
        }
        let start = arena.queueEnd
        guard var frame = arena.appendFrame(FrameHead.byteCount &+ SlotEntry.byteCount) else {
            end("the queue to the router is full beyond every limit", status: 1)
        }
        frame.store(FrameHead.word(length: FrameHead.byteCount &+ SlotEntry.byteCount, type: .acknowledge), at: 0)
        frame.store(entry.word, at: FrameHead.byteCount)
        acknowledgements = (start, 1)
    }

    /// Writes the router's acknowledgements to the clients they are for.
    @inline(__always)
    mutating func acknowledge(
        _ bytes: RawSpan, at offset: Int, _ header: FrameHead, _ tally: inout OutputTally
    ) throws(FrameError) {
        guard header.length & 7 == 0 else { throw FrameError("an Acknowledge frame with half an entry") }
        var position = offset &+ FrameHead.byteCount
        let end = offset &+ header.length
        while position < end {
            let entry = SlotEntry(word: bytes.load64(at: position))
            position &+= SlotEntry.byteCount
            let slot = Int(entry.slot)
            guard slot < arena.slotCount else { throw FrameError("an acknowledgement for a slot that does not exist") }
            guard UInt16(truncatingIfNeeded: arena[slot].generation) == entry.generation,
                arena[slot].state == ConnectionState.connected.rawValue
            else { continue }
            arena.touch(slot)
            markDirty(slot)
            if entry.kind == PacketType.pubrel.rawValue, keepsWindow(slot) { noteRelease(entry.packetIdentifier, slot) }
            if arena[slot].transport != Transport.mqtt.rawValue {
                acknowledgeOverWebSocket(entry, slot)
                continue
            }
            guard var packet = arena.appendOutput(slot, 4) else {
                exhausted(slot)
                continue
            }
            packet.store(Self.packetWord(entry), at: 0)
            tally.answers &+= 1
            restoreWindow(entry, slot)
        }
    }

    /// The four bytes of PUBACK, PUBREC, PUBREL or PUBCOMP with reason 0.
    @inline(__always)
    static func packetWord(_ entry: SlotEntry) -> UInt32 {
        // PUBREL has the reserved flag 2 [MQTT-3.6.1-1].
        let type = entry.kind & 7
        let first = UInt32(type) << 4 | (type == PacketType.pubrel.rawValue ? 2 : 0)
        return first | 2 << 8 | UInt32(entry.packetIdentifier.byteSwapped) << 16
    }

    /// PUBACK and PUBCOMP give back what the PUBLISH took of the receive maximum [MQTT-4.9.0-2].
    @inline(__always)
    func windowGrows(_ kind: UInt8) -> Bool {
        kind == PacketType.puback.rawValue || kind == PacketType.pubcomp.rawValue
    }

    @inline(__always)
    mutating func restoreWindow(_ entry: SlotEntry, _ slot: Int) {
        if arena[slot].version == ProtocolVersion.v5.rawValue, windowGrows(entry.kind) { growWindow(slot) }
    }

    /// One more message may come, up to the most that can be: the PUBREL of an exchange that an earlier connection began
    /// gives back what this one never took.
    @inline(__always)
    mutating func growWindow(_ slot: Int) {
        let window = arena[slot].receive_window
        arena[slot].receive_window = max(window, window &+ 1)
    }

    private mutating func acknowledgeOverWebSocket(_ entry: SlotEntry, _ slot: Int) {
        if arena[slot].transport == Transport.webSocketJSON.rawValue { return acknowledgeJSON(slot) }
        let word = Self.packetWord(entry)
        appendPacket(slot, (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * UInt32($0))) })
        restoreWindow(entry, slot)
    }
}
