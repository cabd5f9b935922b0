// The loop's own clock, by which connections are judged idle.

import EventLoop

/// Time as this process lived it: a turn waits for 100 ms at most and counts for 500 at most, so that a stopped process or a
/// frozen machine does not make every client look dead at once.
struct LoopClock {
    /// Tenths of a second since the clock began; what slots store.
    private(set) var tenths: UInt32 = 10
    /// Milliseconds, likewise.
    private(set) var milliseconds: UInt64 = 1000
    private var last = coarseMilliseconds()

    static let longestTurn: UInt64 = 500

    /// Called once a turn.
    mutating func advance(to now: UInt64 = coarseMilliseconds()) {
        milliseconds += min(now &- min(now, last), Self.longestTurn)
        last = now
        tenths = UInt32(truncatingIfNeeded: milliseconds / 100)
    }
}
