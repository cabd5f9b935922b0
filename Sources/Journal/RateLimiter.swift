// Keeps floods of like events from filling the log: a token bucket for each kind, and a count of what it held back.
// A value without a clock: the caller says what time it is.

package struct RateLimiter: Sendable {
    private struct Bucket: Sendable {
        /// Lines that may still be written, up to one second's worth.
        var tokens: Double
        var filled: Duration
        var heldBack = 0
    }

    private var buckets: [Event: Bucket] = [:]

    package init() {}

    /// Whether one more line of this kind may be written.
    /// - Parameter now: Time on a clock that never goes back.
    package mutating func admit(_ event: Event, at now: Duration) -> Bool {
        guard let rate = event.description.rate.map(Double.init) else { return true }
        var bucket = buckets[event] ?? Bucket(tokens: rate, filled: now)
        bucket.tokens = min(rate, bucket.tokens + (now - bucket.filled) / .seconds(1) * rate)
        bucket.filled = now
        let admitted = bucket.tokens >= 1
        if admitted {
            bucket.tokens -= 1
        } else {
            bucket.heldBack += 1
        }
        buckets[event] = bucket
        return admitted
    }

    /// What was held back since the last call, by kind, in the order of the table; counts start again from nothing.
    package mutating func takeHeldBack() -> [(event: Event, count: Int)] {
        Event.allCases.compactMap { event in
            guard let count = buckets[event]?.heldBack, count > 0 else { return nil }
            buckets[event]?.heldBack = 0
            return (event, count)
        }
    }
}
