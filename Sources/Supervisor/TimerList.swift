// The supervisor's timers: few, so a dictionary of names and times is enough.

/// Times in milliseconds of any clock that does not go back.
package struct TimerList<Name: Hashable & Sendable>: Sendable {
    private var due: [Name: UInt64] = [:]

    package init() {}

    /// Sets a timer, or sets it anew.
    package mutating func set(_ name: Name, at time: UInt64) { due[name] = time }
    package mutating func cancel(_ name: Name) { due[name] = nil }
    package func isSet(_ name: Name) -> Bool { due[name] != nil }

    /// Milliseconds until the next is due, for epoll: -1 where none is set.
    package func wait(now: UInt64) -> Int32 {
        guard let next = due.values.min() else { return -1 }
        return next > now ? Int32(clamping: next - now) : 0
    }

    /// Takes out those that are due, the longest due first.
    package mutating func expired(now: UInt64) -> [Name] {
        let expired = due.filter { $0.value <= now }.sorted { $0.value < $1.value }.map(\.key)
        for name in expired { due[name] = nil }
        return expired
    }
}
