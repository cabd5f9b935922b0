// Credit: when the router has too much of ours unhandled, connections that hold a PUBLISH are not read until it has
// caught up. TCP carries the pressure to their publishers.

import Arena
import CArena
import Connection
import EventLoop
import Messages

/// What a connection wants to hand to the router.
enum Claim {
    /// PUBLISH, SUBSCRIBE, UNSUBSCRIBE, CONNECT.
    case work
    /// Acknowledgements, which free the router: they have credit of their own.
    case acknowledgement
}

extension Listener {
    /// Whether there is credit.
    @inline(__always)
    func hasCredit(_ claim: Claim) -> Bool {
        let limit =
            switch claim {
            case .work: ArenaLayout.publishWindow
            case .acknowledgement: ArenaLayout.publishWindow &+ ArenaLayout.acknowledgementReserve
            }
        return arena.queueOutstanding < limit && arena.queueKept < limit &+ ArenaLayout.keptWindow
    }

    /// Stops reading a connection, whose leftover begins with what waits.
    @inline(never)
    mutating func hold(_ slot: Int) {
        guard !sockets[slot].flags.contains(.held) else { return }
        sockets[slot].flags.insert(.held)
        held.append(UInt32(slot))
        count(.publishersHeldBack)
        watch(slot)
    }

    /// Reads on where credit has come back, in the order in which connections were held.
    mutating func resumeHeld() {
        guard !held.isEmpty, hasCredit(.work) else { return }
        let waiting = held
        held.removeAll(keepingCapacity: true)
        for entry in waiting {
            let slot = Int(entry)
            guard sockets[slot].flags.contains(.held), sockets[slot].descriptor >= 0 else { continue }
            if !hasCredit(.work) || state(slot).holdsInput {
                held.append(entry)
                continue
            }
            sockets[slot].flags.remove(.held)
            // While it was not read it was not idle.
            arena[cold: slot].last_input = clock.tenths
            reconsiderInput(slot)
            if !sockets[slot].flags.contains(.held) { watch(slot) }
        }
    }
}
