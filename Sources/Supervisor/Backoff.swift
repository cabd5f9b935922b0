// How long to wait before a dead worker is started again. A value without a clock; the supervisor keeps one for each
// place.

/// None for the first death, then doubling delays; afresh once a worker has proved itself. Times in milliseconds.
package struct Backoff: Sendable, Equatable {
    package static let first: UInt64 = 100
    package static let longest: UInt64 = 30_000
    /// A worker that was ready for so long has proved itself.
    package static let proof: UInt64 = 2000

    private var next: UInt64 = 0

    package init() {}

    /// A worker has died: how long to wait before the next one starts.
    /// - Parameter readyFor: since when it had been ready; nil where it never was.
    package mutating func died(readyFor: UInt64?) -> UInt64 {
        if let readyFor, readyFor >= Self.proof { next = 0 }
        defer { next = next == 0 ? Self.first : min(next * 2, Self.longest) }
        return next
    }
}
