// The listener's turn: wait, take what came, hand it over in one write, send to each changed connection once.

import Channel
import EventLoop
import Glibc
import Journal
import Messages

extension Listener {
    /// Turns until `Stop` is done, or `Retire` asks for the end. Fatal: epoll that fails.
    mutating func run() {
        while !hasReported.stopped, !isRetiring {
            let count: Int
            do {
                count = try poller.wait(milliseconds: held.isEmpty && json.unconfirmed.isEmpty ? 100 : 10)
            } catch {
                fatalError("\(error)")
            }
            clock.advance()
            for index in 0..<count {
                let tag = poller.tag(index)
                let readiness = poller.readiness(index)
                switch tag {
                case Tag.control: handleControl()
                case Tag.router: handleRouter(readiness)
                case Tag.auth: hearAuth(readiness)
                default: handleConnection(Int(truncatingIfNeeded: tag), readiness)
                }
            }
            endTurn()
        }
        if isRetiring {
            Journal.flush()
            report(Retired())
        }
    }

    @inline(__always)
    private mutating func handleConnection(_ slot: Int, _ readiness: Poller.Interest) {
        // A slot that was closed earlier in this turn has no descriptor left.
        guard slot < sockets.count, sockets[slot].descriptor >= 0 else { return }
        if readiness.contains(.writable) { markDirty(slot) }
        if !readiness.isDisjoint(with: [.readable, .hangUp]) { receiveInput(slot) }
    }

    private mutating func handleRouter(_ readiness: Poller.Interest) {
        if readiness.contains(.writable) { flushFrames() }
        if !readiness.isDisjoint(with: [.readable, .hangUp]) { receiveBatches() }
    }

    private mutating func endTurn() {
        sweep()
        lookForSupervisor()
        resumeHeld()
        attendAuth()
        flushFrames()
        flushOutputs()
        confirmJSONDeliveries()
        finishStop()
        if control.hasPending { _ = try? control.flush() }
    }

    /// Notes that a slot has output, to be sent once at the turn's end.
    @inline(__always)
    mutating func markDirty(_ slot: Int) {
        if !sockets[slot].flags.contains(.dirty) {
            sockets[slot].flags.insert(.dirty)
            dirty.append(UInt32(truncatingIfNeeded: slot))
        }
    }
}
