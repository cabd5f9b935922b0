// Goes on where the former process of this place stood, whether that retired or died: the arena is made whole, every
// connection gets its socket back, what was on its way is counted by what the kernel says.

import Arena
import CArena
import Connection
import EventLoop
import Glibc
import Journal
import MQTT
import Messages

extension Listener {
    /// How often input may interrupt a step until its connection is closed for it.
    private static var attemptLimit: Int { 2 }

    /// Takes over. Called once, before the first turn.
    mutating func takeOver(_ heritage: Heritage, afterDeath: Bool) throws(SystemError) {
        let (interrupted, damaged) = arena.recover()
        let ending = interrupted.flatMap { settle($0, heritage) }
        for slot in damaged { arena[slot].state = ConnectionState.connected.rawValue }
        for (connection, descriptor) in heritage.connections.values {
            resume(connection, descriptor, afterDeath: afterDeath)
        }
        for slot in 0..<arena.slotsUsed where state(slot) != .free && heritage.connections[UInt32(slot)] == nil {
            // What was being given back is given back.
            if state(slot) == .departing { departing.append((UInt32(slot), arena.queueEnd)) } else { giveUp(slot) }
        }
        for slot in damaged where slot < sockets.count && sockets[slot].descriptor >= 0 {
            close(slot, .unspecifiedError, tellClient: false, detail: "its slot was damaged")
        }
        if let interrupted, let ending, interrupted.slot < sockets.count {
            close(interrupted.slot, ending.reason, tellClient: ending.isTold, detail: ending.detail)
        }
        if let remains = heritage.remains, arena.channel == remains.serial, !arena.wasReadingBatches {
            drainChannel(remains.descriptor)
        }
        try resumeChannel(heritage.channel)
        arena.convert()
        releaseDeparted()
        reportReady()
    }

    // MARK: the interrupted step

    /// How a connection ends that can not go on.
    private struct Ending {
        let reason: ReasonCode
        let isTold: Bool
        let detail: String
    }

    /// What the interrupted step had read from its socket joins the connection's leftover, to be handled anew.
    /// - Returns: what to close the connection with, where it can not be.
    private mutating func settle(_ step: InterruptedStep, _ heritage: Heritage) -> Ending? {
        let totals = heritage.connections[UInt32(step.slot)].flatMap { tcpTotals($0.descriptor) }
        let read = totals.map { $0.read >= step.received ? $0.read - step.received : .max } ?? .max
        guard read <= UInt64(arena.scratchBytes) else {
            arena.abandonStep()
            return Ending(reason: .unspecifiedError, isTold: false, detail: "the connection broke")
        }
        guard step.attempts < Self.attemptLimit else {
            logDeadlyInput(step.slot, arena.unhandledInput(step, read: Int(read), most: 64))
            arena.abandonStep()
            return Ending(
                reason: .implementationSpecificError, isTold: true, detail: "its input ended the worker twice")
        }
        guard arena.resumeStep(step, read: Int(read), framed: settings.transport == .webSocket) else {
            arena.abandonStep()
            count(.arenaExhausted)
            return Ending(
                reason: .quotaExceeded, isTold: false, detail: "the listener's buffers are used up; see limits.memory")
        }
        return nil
    }

    // MARK: the channel to the router

    private mutating func resumeChannel(_ channel: (offer: ChannelOffer, descriptor: Int32)?) throws(SystemError) {
        guard let (offer, descriptor) = channel else { return }
        // Where the former process never used it, it is a new one whatever the supervisor says.
        guard offer.history != ChannelOffer.History.none, arena.channel == offer.serial else {
            return try attachRouter(descriptor, offer)
        }
        try watchRouter(descriptor, worker: offer.peerWorker)
        if case .recovered(let taken, let put) = offer.history {
            let waiting = UInt64(waitingBytes(descriptor))
            guard arena.recoverQueue(taken: taken), put >= waiting, arena.recoverBatches(received: put - waiting) else {
                return cutRouter("it counts other bytes than were sent")
            }
        }
        // What the former process has applied and not reported is unknown: the total says it all.
        tellRouter(ConsumedFrame(offset: arena.batchApplied))
        commitFrames()
    }

    // MARK: connections

    private mutating func resume(_ connection: Accepted.Connection, _ descriptor: Int32, afterDeath: Bool) {
        let slot = Int(connection.slot)
        guard arena[slot].generation == connection.generation else {
            // The former process never saw it.
            return openConnections(Accepted([connection]), [descriptor])
        }
        switch state(slot) {
        case .free:
            Glibc.close(descriptor)
            report(Closed([Closed.Slot(slot: connection.slot, generation: connection.generation)]))
        case .departing:
            Glibc.close(descriptor)
            departing.append((connection.slot, arena.queueEnd))
        default:
            hold(descriptor, in: slot)
            if afterDeath { settleOutput(slot) }
            restartClocks(slot)
            restoreFlags(slot)
            restoreAuthentication(slot)
            do {
                try poller.add(descriptor, interest(slot), tag: UInt64(slot))
            } catch {
                count(.connectionsRefused)
                return broken(slot)
            }
            markDirty(slot)
        }
    }

    /// Ends a connection whose socket nobody has any more: it went with processes that held it.
    private mutating func giveUp(_ slot: Int) {
        while sockets.count <= slot { sockets.append(SlotSocket()) }
        close(slot, .unspecifiedError, tellClient: false, detail: "its socket is lost")
        arena.dropOutput(slot)
        arena[slot].state = ConnectionState.departing.rawValue
        departing.append((UInt32(slot), arena.queueEnd))
    }

    /// Bytes of the output that the former process gave to the socket and did not live to note.
    private mutating func settleOutput(_ slot: Int) {
        guard arena.outputCount(slot) > 0, let written = tcpTotals(sockets[slot].descriptor)?.written else { return }
        let unnoted = written &- arena[slot].sent
        guard unnoted > 0, unnoted <= UInt64(arena.outputCount(slot)) else { return }
        arena.consumeOutput(slot, Int(unnoted))
        count(.bytesSent, by: Int(unnoted))
    }

    /// The pause was not the client's: nobody is late.
    private mutating func restartClocks(_ slot: Int) {
        arena[cold: slot].last_input = clock.tenths
        arena[cold: slot].opened = clock.tenths
        arena[cold: slot].last_ping = clock.tenths
    }

    /// What this process keeps of a connection, found anew from the arena.
    private mutating func restoreFlags(_ slot: Int) {
        if arena[slot].flags & SlotFlags.congested != 0 { sockets[slot].flags.insert(.congested) }
        if arena[slot].input_length > 0 || arena[slot].raw_length > 0, state(slot).isOpen {
            // It may be complete, and have waited for credit or for CONNACK.
            sockets[slot].flags.insert(.held)
            held.append(UInt32(slot))
        }
        if arena.hasRecord(slot), !arena[record: slot].deliveries.isEmpty { json.unconfirmed.insert(slot) }
    }
}
