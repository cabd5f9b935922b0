// Time-outs: every connection is looked at twice a second, a part of them each turn, so that nothing needs a timer.

import Arena
import CArena
import Connection
import EventLoop
import MQTT
import Messages

extension Listener {
    /// Milliseconds in which all slots are looked at.
    private static var round: UInt64 { 500 }
    /// Tenths of a second that a peer may take to receive our last words, and then to end its side.
    private static var closingLimit: UInt32 { 50 }
    private static var lingerLimit: UInt32 { 20 }
    /// The same while the worker stops: others wait for it.
    private static var stoppingLingerLimit: UInt32 { 3 }

    /// Looks at the next part of the slots.
    mutating func sweep() {
        let count = UInt64(sockets.count)
        sweepDue += count * (clock.milliseconds - sweptAt)
        sweptAt = clock.milliseconds
        let due = min(sweepDue / Self.round, count)
        sweepDue %= Self.round
        for _ in 0..<due {
            sweepPosition = sweepPosition + 1 < sockets.count ? sweepPosition + 1 : 0
            judge(sweepPosition)
        }
        commitFrames()
    }

    @inline(__always)
    private mutating func judge(_ slot: Int) {
        guard sockets[slot].descriptor >= 0 else { return }
        // What the broker does not read is not idle.
        if sockets[slot].flags.contains(.held) {
            arena[cold: slot].last_input = clock.tenths
            return
        }
        let idle = clock.tenths &- arena[cold: slot].last_input
        switch state(slot) {
        case .connected: judgeConnected(slot, idle)
        case .handshake, .awaitingConnect, .connecting: judgeOpening(slot, idle)
        // Their time is that of what is under way (AuthChannel.swift).
        case .authenticating, .challenged: break
        case .closing: if idle > Self.closingLimit { finish(slot) }
        case .lingering: if idle > (stopDeadline == nil ? Self.lingerLimit : Self.stoppingLingerLimit) { finish(slot) }
        case .free, .departing: break
        }
    }

    private mutating func judgeConnected(_ slot: Int, _ idle: UInt32) {
        if transport(slot) != .mqtt { keepWebSocketAlive(slot, idle) }
        let keepAlive = UInt32(arena[cold: slot].keep_alive)
        // [MQTT-3.1.2-24]: one and a half times the keep-alive.
        if keepAlive > 0, idle > keepAlive * 15 {
            count(.keepAliveTimeouts)
            close(slot, .keepAliveTimeout, tellClient: true)
        }
    }

    /// A connection that is not a client yet.
    private mutating func judgeOpening(_ slot: Int, _ idle: UInt32) {
        // A JSON client that need not connect is one as soon as its WebSocket stands: the heartbeat is its measure.
        if transport(slot) == .webSocketJSON, state(slot) == .awaitingConnect, mayConnect(slot) {
            return keepWebSocketAlive(slot, idle)
        }
        // A client that waits for the router is not late.
        if state(slot) == .connecting, !arena.routerHasGreeted { return }
        if (clock.tenths &- arena[cold: slot].opened) * 100 > settings.connectTimeout {
            close(slot, .keepAliveTimeout, tellClient: false, detail: "no CONNECT within limits.connect_timeout")
        }
    }
}
