// The end of a connection, in three stages: the last words are produced and sent, our side is shut and the peer's rest
// thrown away, the slot is given back once the router knows.

import Arena
import CArena
import Connection
import EventLoop
import Glibc
import Journal
import MQTT
import Messages

extension Listener {
    /// Decides the end of a connection. Idempotent: the first reason stands.
    ///
    /// - Parameters:
    ///   - tellClient: say DISCONNECT (MQTT 5) or a WebSocket close first.
    ///   - will: the router publishes the will, unless the client took its leave.
    ///   - detail: words for the log where the reason code alone does not tell.
    ///   - isLogged: the log says already that it ends.
    ///   - reasonString: words for an MQTT 5 client; those of the reason code where there are none.
    mutating func close(
        _ slot: Int, _ reason: ReasonCode, tellClient: Bool, will: Bool = true, sessionExpiry: UInt32? = nil,
        detail: String? = nil, isLogged: Bool = false, reasonString: StaticString? = nil
    ) {
        let state = state(slot)
        guard state.isOpen else { return }
        // What is decided between steps and batches is a step of its own.
        let isOwnStep = arena.isQuiet
        if isOwnStep { arena.beginStep(slot) }
        defer { if isOwnStep { arena.endStep() } }
        arena.touchCold(slot)
        arena[cold: slot].close_reason = reason.rawValue
        if tellClient { appendFarewell(slot, state, reason, reasonString) }
        forgetAuthentication(slot)
        if state == .connecting || state == .connected {
            tellRouter(
                DisconnectedFrame(
                    slot: UInt32(slot), generation: arena[slot].generation, reasonCode: reason.rawValue,
                    publishWill: will, sessionExpiry: sessionExpiry))
        }
        if !isLogged { logEnd(slot, state, reason, detail) }
        arena[slot].state = ConnectionState.closing.rawValue
        sockets[slot].flags.remove(.held)
        arena.clearInput(slot)
        // [MQTT-3.3.2-7]
        arena.freeAliases(slot: slot)
        arena.freeGivenAliases(slot: slot)
        forgetClient(slot)
        markDirty(slot)
    }

    /// Forgets what the router need not be told any more. Of a session that it had accepted it may have to be.
    private mutating func forgetClient(_ slot: Int) {
        if arena[slot].flags & SlotFlags.accepted == 0 {
            arena.clearClientIdentifier(slot)
            arena.freeRecord(slot)
        } else if arena.hasRecord(slot) {
            arena.touchRecord(slot)
            arena.freeExchanges(slot)
        }
    }

    /// Appends a frame for the router outside of any limit: what ends a connection is always said.
    mutating func tellRouter(_ frame: some Frame) {
        guard arena.appendFrame(frame.encoded()) else {
            // The queue is sized for every slot's end; a full one means that it was corrupted.
            end("the queue to the router is full beyond every limit", status: 1)
        }
    }

    private mutating func appendFarewell(
        _ slot: Int, _ state: ConnectionState, _ reason: ReasonCode, _ words: StaticString?
    ) {
        if transport(slot) == .mqtt || transport(slot) == .webSocketMQTT {
            if state == .connected, arena[slot].version == ProtocolVersion.v5.rawValue {
                // Some codes are for CONNACK only; what they have in common is that the client may come again.
                let code = reason.isAllowed(in: .disconnect, from: .server) ? reason : .serverBusy
                appendRefusal(slot, code, words) {
                    Disconnect(reason: code, properties: $0).encode(into: &$1, version: .v5)
                }
            } else if state != .connected, arena[slot].version != 0 {
                appendConnackRefusal(slot, reason, words)
            }
        }
        if transport(slot) != .mqtt { appendWebSocketClose(slot, reason) }
    }

    /// Everything that was produced is sent: shuts our side, and waits a little for the peer to do the same.
    mutating func linger(_ slot: Int) {
        guard state(slot) == .closing else { return }
        shutdown(sockets[slot].descriptor, Int32(SHUT_WR))
        arena[slot].state = ConnectionState.lingering.rawValue
        arena[cold: slot].last_input = clock.tenths
        watch(slot)
    }

    /// The socket is gone: closes it, and gives the slot back when the router has handled the end.
    mutating func finish(_ slot: Int) {
        let descriptor = sockets[slot].descriptor
        guard descriptor >= 0 else { return }
        // With duplicates of the socket about, closing alone would neither leave epoll nor send FIN.
        poller.remove(descriptor)
        shutdown(descriptor, Int32(SHUT_RDWR))
        Glibc.close(descriptor)
        sockets[slot].descriptor = -1
        arena.dropOutput(slot)
        arena[slot].state = ConnectionState.departing.rawValue
        openConnections -= 1
        departing.append((UInt32(slot), arena.queueEnd))
    }

    /// Gives back the slots whose end is safe with the router.
    mutating func releaseDeparted() {
        guard !departing.isEmpty else { return }
        let safe = arena.queueAcknowledged
        var released: [Closed.Slot] = []
        var kept: [(slot: UInt32, end: UInt64)] = []
        for (slot, end) in departing {
            if end > safe || released.count == 4096 {
                kept.append((slot, end))
                continue
            }
            released.append(Closed.Slot(slot: slot, generation: arena[Int(slot)].generation))
            arena.vacate(Int(slot))
        }
        departing = kept
        guard !released.isEmpty else { return }
        report(Closed(released))
    }
}
