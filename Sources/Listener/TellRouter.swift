// What a new router is told of the clients that the former one had, before the stream goes on: docs/protocol/data.md, "When
// the router is another one". What the slots do not say was kept in records: CONNECT in full where it was unusual, the
// subscriptions of sessions that end with their connections.

import Arena
import CArena
import Connection
import MQTT
import Messages

extension Listener {
    /// Hello, every connection that the former router has accepted and whose end is not safe, and where that ends.
    func makePrelude() -> [UInt8] {
        var bytes = Hello(
            worker: welcome.worker, generation: welcome.generation, from: arena.queueAcknowledged,
            answered: arena.queueAnswered, marks: arena.marks
        ).encoded()
        for slot in 0..<arena.slotsUsed where arena[slot].flags & SlotFlags.accepted != 0 && state(slot) != .free {
            bytes += resumeFrame(slot).encoded()
        }
        bytes += ResumeEnd(until: arena.queueEnd).encoded()
        return bytes
    }

    private func resumeFrame(_ slot: Int) -> ResumeFrame {
        let isDurable = arena[slot].flags & SlotFlags.durable != 0
        return ResumeFrame(
            connect: acceptedConnect(slot), congested: arena[slot].flags & SlotFlags.congested != 0,
            outstanding: arena[slot].outstanding, lastPacketIdentifier: arena[cold: slot].last_packet_id,
            window: isDurable ? arena.window(slot) : [],
            subscriptions: isDurable
                ? []
                : arena.subscriptions(slot).map {
                    ResumeFrame.Subscription(identifier: $0.identifier, options: $0.options, filter: $0.filter)
                }, note: kept(.note, slot), list: kept(.list, slot))
    }

    private func kept(_ queue: RecordQueue, _ slot: Int) -> [UInt8] {
        arena.hasRecord(slot) ? arena.bytes(of: queue, slot: slot).array : []
    }

    /// The CONNECT that the router has accepted, with what it granted.
    private func acceptedConnect(_ slot: Int) -> ConnectFrame {
        var connect = keptConnect(slot) ?? usualConnect(slot)
        connect.clientIdentifier = arena.clientIdentifier(slot)
        return connect
    }

    func keptConnect(_ slot: Int) -> ConnectFrame? {
        guard arena.hasRecord(slot) else { return nil }
        let bytes = arena.bytes(of: .connect, slot: slot)
        return bytes.byteCount == 0 ? nil : try? ConnectFrame(decoding: bytes)
    }

    /// What a slot alone says of its CONNECT.
    private func usualConnect(_ slot: Int) -> ConnectFrame {
        let isDurable = arena[slot].flags & SlotFlags.durable != 0
        return ConnectFrame(
            slot: UInt32(slot), generation: arena[slot].generation, acceptNumber: arena[cold: slot].accept_number,
            peer: peer(slot), version: arena[slot].version, cleanStart: !isDurable,
            keepAlive: arena[cold: slot].keep_alive, sessionExpiry: isDurable ? .max : 0,
            receiveMaximum: usualReceiveMaximum(slot), maximumPacketSize: arena[cold: slot].maximum_packet_size,
            clientIdentifier: [], userName: [], will: nil)
    }

    private func usualReceiveMaximum(_ slot: Int) -> UInt16 {
        transport(slot) == .webSocketJSON ? settings.inFlight : 65_535
    }

    // MARK: what is kept

    /// Puts CONNECT to the router, and keeps what of it the slot does not say. Within a step.
    mutating func put(_ connect: ConnectFrame) {
        let slot = Int(connect.slot)
        let isUnusual =
            connect.will != nil || !connect.userName.isEmpty || connect.receiveMaximum != usualReceiveMaximum(slot)
        if isUnusual, !keep(connect) { return exhausted(slot) }
        tellRouter(connect)
    }

    /// - Returns: false when the arena is exhausted.
    mutating func keep(_ connect: ConnectFrame) -> Bool {
        let slot = Int(connect.slot)
        guard arena.hasRecord(slot) || arena.makeRecord(slot) else { return false }
        arena.touchRecord(slot)
        var facts = connect
        facts.clientIdentifier = []
        return arena.replace(.connect, with: facts.encoded(), slot: slot)
    }

    /// The router has accepted a connection. Within a batch that has touched the slot.
    mutating func noteAccepted(_ answer: ConnackFrame) {
        let slot = Int(answer.slot)
        arena[slot].flags |= SlotFlags.accepted | (answer.durable ? SlotFlags.durable : 0)
        let kept = keptConnect(slot)
        guard kept != nil || answer.sessionExpiry != (answer.durable ? .max : 0) || answer.durable else { return }
        var connect = kept ?? usualConnect(slot)
        connect.sessionExpiry = answer.sessionExpiry
        if kept != connect, kept != nil || connect != usualConnect(slot), !keep(connect) { return exhausted(slot) }
        // The window of a durable session is kept there.
        if answer.durable, !arena.hasRecord(slot), !arena.makeRecord(slot) { exhausted(slot) }
    }

    /// The router has granted subscriptions that end with the connection. Within a batch that has touched the slot.
    mutating func noteGranted(_ answer: SubackFrame) {
        guard !answer.items.isEmpty else { return }
        let slot = Int(answer.slot)
        guard arena.hasRecord(slot) || arena.makeRecord(slot) else { return exhausted(slot) }
        arena.touchRecord(slot)
        let granted = answer.items.map {
            KeptSubscription(identifier: answer.identifier, options: $0.options, filter: $0.filter)
        }
        if !arena.keep(granted, slot: slot) { exhausted(slot) }
    }

    mutating func noteRemoved(_ answer: UnsubackFrame) {
        let slot = Int(answer.slot)
        guard !answer.filters.isEmpty, arena.hasRecord(slot) else { return }
        arena.touchRecord(slot)
        if !arena.forget(answer.filters, slot: slot) { exhausted(slot) }
    }

    /// Keeps what the router wants to hear again. Within a batch that has touched the slot.
    mutating func keep(_ frame: NoteFrame) {
        let slot = Int(frame.slot)
        guard arena.hasRecord(slot) || (!frame.bytes.isEmpty && arena.makeRecord(slot)) else { return }
        arena.touchRecord(slot)
        switch frame.kind {
        case .note: if arena.replace(.note, with: frame.bytes, slot: slot) { return }
        case .list: if arena.replace(.list, with: frame.bytes, slot: slot) { return }
        case .more:
            if var room = arena.append(frame.bytes.count, to: .list, slot: slot) {
                return room.copy(frame.bytes.span.raw, at: 0)
            }
        }
        // None rather than one that is not true any more.
        _ = arena.replace(.note, with: [], slot: slot)
        _ = arena.replace(.list, with: [], slot: slot)
    }

    /// Whether the identifiers of what a client has not acknowledged are kept, not only their number.
    @inline(__always)
    func keepsWindow(_ slot: Int) -> Bool { arena[slot].flags & SlotFlags.durable != 0 }

    /// PUBREL goes out for a message that was delivered on an earlier connection: it is outstanding on this one.
    @inline(never)
    mutating func noteRelease(_ identifier: UInt16, _ slot: Int) {
        guard !arena.window(slot).contains(identifier) else { return }
        arena.delivered(identifier, slot: slot, keepsWindow: true)
    }
}
