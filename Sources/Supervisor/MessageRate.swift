// How many messages a second come and go, for the status line: over some seconds, and rounded, so that the line changes
// only where there is something to see. A value without a clock.

struct MessageRate {
    /// Milliseconds between two looks.
    static let window: UInt64 = 5000

    private var since: UInt64
    private var received: UInt64 = 0
    private var sent: UInt64 = 0
    private(set) var perSecond: (received: UInt64, sent: UInt64) = (0, 0)

    init(now: UInt64) { since = now }

    /// - Parameters: all messages so far. Fewer than before: a process that counted is gone, and they count from there.
    mutating func note(received: UInt64, sent: UInt64, now: UInt64) {
        guard now >= since + Self.window else { return }
        func rate(_ total: UInt64, _ former: UInt64) -> UInt64 {
            Self.rounded(total > former ? (total - former) * 1000 / (now - since) : 0)
        }
        perSecond = (rate(received, self.received), rate(sent, self.sent))
        (since, self.received, self.sent) = (now, received, sent)
    }

    /// To two digits.
    private static func rounded(_ number: UInt64) -> UInt64 {
        var unit: UInt64 = 1
        while number / unit >= 100 { unit *= 10 }
        return (number + unit / 2) / unit * unit
    }
}
