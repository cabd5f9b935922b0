// Whether a worker is alive: it must answer each Ping. A value without a clock; the supervisor keeps one for each
// worker that is ready, and gives it a turn at least every interval, after it has read what the worker sent.

/// The heartbeat of one worker. Times in milliseconds.
package struct Heartbeat: Sendable, Equatable {
    package enum Action: Sendable, Equatable {
        case none
        case ping(sequence: UInt64)
        /// No answer for the whole time-out: kill it.
        case hung
    }

    package var interval: UInt64
    package var timeout: UInt64
    private var sequence: UInt64 = 0
    private var waiting = false
    /// How long the worker has not answered, counted in turns that the supervisor made.
    private(set) package var silence: UInt64 = 0
    private var lastTurn: UInt64
    private var lastPing: UInt64?

    package init(interval: UInt64, timeout: UInt64, now: UInt64) {
        self.interval = interval
        self.timeout = timeout
        lastTurn = now
    }

    /// How often `turn` wants to be called.
    package static func beat(interval: UInt64, timeout: UInt64) -> UInt64 { max(10, min(interval, timeout / 4)) }

    /// What is due now.
    package mutating func turn(now: UInt64) -> Action {
        let elapsed = now > lastTurn ? now - lastTurn : 0
        lastTurn = max(now, lastTurn)
        if waiting {
            // A supervisor that was stopped, or a machine that was frozen, has not waited for an answer: of the time
            // between two turns no more counts than there ought to be, and never the whole time-out.
            silence += min(elapsed, 2 * interval, timeout / 2)
            return silence >= timeout ? .hung : .none
        }
        if let lastPing, now < lastPing + interval { return .none }
        sequence += 1
        waiting = true
        silence = 0
        lastPing = now
        return .ping(sequence: sequence)
    }

    /// The worker has answered. Any number but the last one is a late answer and means nothing.
    package mutating func pong(sequence: UInt64) {
        guard waiting, sequence == self.sequence else { return }
        waiting = false
        silence = 0
    }
}
