// How long to wait before the next try to connect: doubling, and by chance up to a half shorter, so that many bridges of one
// server do not come back in step.

struct Retry: Sendable {
    static let first: UInt64 = 100

    private let limit: UInt64
    private var next = Retry.first

    /// - Parameter limit: milliseconds; the longest wait.
    init(limit: UInt32) { self.limit = max(UInt64(limit), Self.first) }

    mutating func succeeded() { next = Self.first }

    /// Milliseconds.
    mutating func failed() -> Int32 {
        var generator = SystemRandomNumberGenerator()
        return failed(using: &generator)
    }

    mutating func failed(using generator: inout some RandomNumberGenerator) -> Int32 {
        let wait = min(next, limit)
        next = min(next * 2, limit)
        return Int32(clamping: UInt64.random(in: (wait - wait / 2)...wait, using: &generator))
    }
}
