// What the journal is told of connections that come and go: each change, the same trouble once in a while, and nothing of a
// connection that breaks before it was of use. A value without a clock.

struct Told {
    /// One of the two connections; what it does, in words.
    enum Link: String {
        case publishes = "publishes to"
        case consumes = "consumes from"
    }

    private struct State {
        /// Where it leads, as far as that was told; nil: that it does not stand was told.
        var address: String?
        var isUp = false
        /// When it came to stand last, and when it ended last.
        var since: UInt64 = 0
        var ended: UInt64 = 0
    }

    /// Milliseconds after which the same trouble is told again.
    static let reminder: UInt64 = 60_000
    /// Milliseconds for which a connection has to stand for its end to be news.
    static let steady: UInt64 = 5000

    private var states: [Link: State] = [:]
    /// When a reason was told.
    private var reasons: [String: UInt64] = [:]

    /// A connection stands.
    mutating func isNews(upTo address: String, _ link: Link, _ now: UInt64) -> Bool {
        var state = states[link] ?? State()
        defer { states[link] = state }
        if !state.isUp { state.since = now }
        state.isUp = true
        guard state.address != address else { return false }
        state.address = address
        return true
    }

    /// A connection does not stand. Both have the same trouble as a rule: it is told once.
    mutating func isNews(downFor reason: String, _ link: Link, _ now: UInt64) -> Bool {
        var state = states[link] ?? State()
        defer { states[link] = state }
        let isEnd = state.isUp
        if isEnd { (state.isUp, state.ended) = (false, now) }
        reasons = reasons.filter { now < $0.value + Self.reminder }
        if let before = reasons[reason] {
            if before >= state.since {
                // That this one is gone, too, is known by it.
                state.address = nil
                return false
            }
            let stood = isEnd && now >= state.since + Self.steady
            let lasts = state.address != nil && now >= state.ended + Self.steady
            guard stood || lasts else { return false }
        }
        reasons[reason] = now
        state.address = nil
        return true
    }
}
