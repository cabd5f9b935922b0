// Sends what was produced: one send for each connection that has something, at the turn's end.

import Arena
import CArena
import Connection
import EventLoop
import MQTT
import Messages

extension Listener {
    mutating func flushOutputs() {
        var index = 0
        // Flushing may close connections, which marks no slot anew that is already in the list.
        while index < dirty.count {
            let slot = Int(dirty[index])
            index += 1
            sockets[slot].flags.remove(.dirty)
            if sockets[slot].descriptor >= 0 { flush(slot) }
        }
        dirty.removeAll(keepingCapacity: true)
        releaseDeparted()
    }

    @inline(__always)
    private mutating func flush(_ slot: Int) {
        let pending = arena.outputCount(slot)
        if pending > 0 {
            switch send(sockets[slot].descriptor, arena.output(slot)) {
            case .bytes(let count):
                arena.consumeOutput(slot, count)
                self.count(.bytesSent, by: count)
                if count == pending {
                    if sockets[slot].flags.isDisjoint(with: [.awaitsRoom, .congested]),
                        arena[slot].state == ConnectionState.connected.rawValue
                    {
                        return
                    }
                    drained(slot)
                } else {
                    stalled(slot)
                }
            case .wouldBlock: stalled(slot)
            case .ended, .failed: broken(slot)
            }
        } else {
            drained(slot)
        }
    }

    /// Nothing is left to send.
    @inline(never)
    private mutating func drained(_ slot: Int) {
        if sockets[slot].flags.contains(.awaitsRoom) {
            sockets[slot].flags.remove(.awaitsRoom)
            watch(slot)
        }
        relieve(slot)
        if state(slot) == .closing { linger(slot) }
    }

    /// The socket takes no more: its reader is slow.
    @inline(never)
    private mutating func stalled(_ slot: Int) {
        if !sockets[slot].flags.contains(.awaitsRoom) {
            sockets[slot].flags.insert(.awaitsRoom)
            watch(slot)
        }
        if arena.outputCount(slot) > Int(settings.outputBuffer) {
            if !sockets[slot].flags.contains(.congested), state(slot) == .connected {
                sockets[slot].flags.insert(.congested)
                // Before the router hears of it, so that whoever goes on here knows that it may have.
                arena[slot].flags |= SlotFlags.congested
                tellRouter(congestion(slot, true))
                commitFrames()
            }
        } else if arena.outputCount(slot) < Int(settings.outputBuffer) / 4 {
            relieve(slot)
        }
    }

    /// Tells the router that a congested connection takes messages again.
    private mutating func relieve(_ slot: Int) {
        guard sockets[slot].flags.contains(.congested) else { return }
        sockets[slot].flags.remove(.congested)
        guard state(slot) == .connected else { return }
        tellRouter(congestion(slot, false))
        commitFrames()
        arena[slot].flags &= ~SlotFlags.congested
    }

    private func congestion(_ slot: Int, _ congested: Bool) -> CongestionFrame {
        CongestionFrame(slot: UInt32(slot), generation: arena[slot].generation, congested: congested)
    }

    /// The peer is gone without a word.
    mutating func broken(_ slot: Int) {
        close(slot, .unspecifiedError, tellClient: false, detail: "the connection broke")
        commitFrames()
        finish(slot)
    }

    /// Tells the kernel what the socket is watched for, from the slot's flags and state.
    mutating func watch(_ slot: Int) {
        guard sockets[slot].descriptor >= 0 else { return }
        do {
            try poller.modify(sockets[slot].descriptor, interest(slot), tag: UInt64(slot))
        } catch {
            end("\(error)", status: 1)
        }
    }

    /// What a connection's socket is to be watched for.
    func interest(_ slot: Int) -> Poller.Interest {
        var interest: Poller.Interest = []
        if !sockets[slot].flags.contains(.held), state(slot) != .closing { interest.insert(.readable) }
        if sockets[slot].flags.contains(.awaitsRoom) { interest.insert(.writable) }
        return interest
    }

    /// Makes frames valid that were appended outside of a step or batch.
    mutating func commitFrames() {
        arena.commitQueue()
    }
}
