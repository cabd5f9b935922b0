// Takes connections that the supervisor has accepted.

import Arena
import CArena
import Connection
import EventLoop
import Glibc
import MQTT
import Messages

extension Listener {
    /// Puts each connection into its slot and watches its socket.
    ///
    /// Where a socket can not be watched the connection is closed at once; the supervisor hears of it as of any other.
    mutating func openConnections(_ accepted: Accepted, _ descriptors: [Int32]) {
        for (connection, descriptor) in zip(accepted.connections, descriptors) {
            let slot = Int(connection.slot)
            hold(descriptor, in: slot)
            fillSlot(slot, connection)
            count(.connectionsOpened)
            do {
                try poller.add(descriptor, .readable, tag: UInt64(slot))
            } catch {
                count(.connectionsRefused)
                finish(slot)
                continue
            }
            if stopDeadline != nil { close(slot, .serverShuttingDown, tellClient: false) }
        }
    }

    /// Notes a connection's socket.
    mutating func hold(_ descriptor: Int32, in slot: Int) {
        while sockets.count <= slot { sockets.append(SlotSocket()) }
        sockets[slot] = SlotSocket(descriptor: descriptor)
        openConnections += 1
    }

    private mutating func fillSlot(_ slot: Int, _ connection: Accepted.Connection) {
        arena.noteUse(of: slot)
        var hot = apus_slot_hot()
        hot.state =
            settings.transport == .mqtt
            ? ConnectionState.awaitingConnect.rawValue : ConnectionState.handshake.rawValue
        hot.transport = Transport.mqtt.rawValue
        arena[slot] = hot
        var cold = apus_slot_cold()
        cold.accept_number = connection.acceptNumber
        cold.peer_high = connection.peer.high
        cold.peer_low = connection.peer.low
        cold.peer_port = connection.peer.port
        cold.opened = clock.tenths
        cold.last_input = clock.tenths
        cold.last_ping = clock.tenths
        arena[cold: slot] = cold
        arena.complete(slot)
        // Stored last: a slot with a generation is whole.
        apus_barrier()
        arena[slot].generation = connection.generation
    }

    func state(_ slot: Int) -> ConnectionState {
        ConnectionState(rawValue: arena[slot].state) ?? .free
    }

    func transport(_ slot: Int) -> Transport {
        Transport(rawValue: arena[slot].transport) ?? .mqtt
    }

    func peer(_ slot: Int) -> PeerAddress {
        PeerAddress(
            high: arena[cold: slot].peer_high, low: arena[cold: slot].peer_low, port: arena[cold: slot].peer_port)
    }
}
