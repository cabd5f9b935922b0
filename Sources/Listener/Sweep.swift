// Time-outs: every connection is looked at once a second, a part of them each turn, so that nothing needs a timer.

import Arena
import CArena
import Connection
import EventLoop
import MQTT
import Messages

extension Listener {
    /// Looks at the next part of the slots. A whole round takes a second or a little more.
    mutating func sweep() {
        let due = UInt64(sockets.count) * (clock.milliseconds % 1000) / 1000
        let position = Int(due)
        if position >= sweepPosition {
            for slot in sweepPosition..<position { judge(slot) }
        } else {
            for slot in sweepPosition..<sockets.count { judge(slot) }
            for slot in 0..<position { judge(slot) }
        }
        sweepPosition = position
    }

    @inline(__always)
    private mutating func judge(_ slot: Int) {
        guard sockets[slot].descriptor >= 0 else { return }
        // What the broker does not read is not idle.
        if sockets[slot].flags.contains(.held) {
            arena[cold: slot].last_input = clock.seconds
            return
        }
        let idle = clock.seconds &- arena[cold: slot].last_input
        switch state(slot) {
        case .connected: judgeConnected(slot, idle)
        case .handshake, .awaitingConnect, .connecting:
            if (clock.seconds &- arena[cold: slot].opened) * 1000 > settings.connectTimeout {
                close(slot, .keepAliveTimeout, tellClient: false, detail: "no CONNECT within limits.connect_timeout")
                commitFrames()
            }
        case .closing:
            // A peer that takes not even our last words.
            if idle > 5 { finish(slot) }
        case .lingering:
            if idle > 2 { finish(slot) }
        case .free, .departing: break
        }
    }

    private mutating func judgeConnected(_ slot: Int, _ idle: UInt32) {
        if transport(slot) != .mqtt { keepWebSocketAlive(slot, idle) }
        let keepAlive = UInt32(arena[cold: slot].keep_alive)
        // [MQTT-3.1.2-24]: one and a half times the keep-alive, and the second that the clock's steps cost.
        if keepAlive > 0, idle > keepAlive + (keepAlive + 1) / 2 {
            count(.keepAliveTimeouts)
            close(slot, .keepAliveTimeout, tellClient: true)
            commitFrames()
        }
    }
}
