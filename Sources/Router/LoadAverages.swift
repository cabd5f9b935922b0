// How much there is to do: per minute, averaged over one, five and fifteen minutes, as mosquitto's `load` topics have it.
// A value without a clock; SystemTopics.swift asks it whenever it publishes.

import Glibc

/// Moving averages of several totals that only grow.
struct LoadAverages {
    static var minutes: [UInt64] { [1, 5, 15] }

    /// What the totals were when they were last looked at; empty before the first time.
    private var totals: [UInt64] = []
    /// Milliseconds of the router's clock at which that was.
    private var at: UInt64 = 0
    /// Per minute; for each total one average for each of `minutes`.
    private(set) var averages: [[Double]] = []

    /// Takes in what the totals are now. What there was before the first call is not part of any average.
    mutating func update(_ now: [UInt64], milliseconds: UInt64) {
        guard totals.count == now.count else {
            (totals, at) = (now, milliseconds)
            averages = now.map { _ in Self.minutes.map { _ in 0 } }
            return
        }
        guard milliseconds > at else { return }
        let passed = Double(milliseconds - at) / 60_000
        for index in now.indices {
            // A total that is less than it was has begun anew.
            let grown = now[index] >= totals[index] ? now[index] - totals[index] : now[index]
            let rate = Double(grown) / passed
            for (place, minutes) in Self.minutes.enumerated() {
                averages[index][place] = rate + exp(-passed / Double(minutes)) * (averages[index][place] - rate)
            }
        }
        (totals, at) = (now, milliseconds)
    }

    /// With two decimals.
    static func text(_ value: Double) -> String {
        let hundredths = UInt64(max(0, min(value, 1e15)) * 100 + 0.5)
        let (whole, rest) = hundredths.quotientAndRemainder(dividingBy: 100)
        return "\(whole).\(rest / 10)\(rest % 10)"
    }
}
