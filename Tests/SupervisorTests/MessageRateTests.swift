import Testing

@testable import Supervisor

@Suite struct MessageRateTests {
    @Test func isOverTheWindow() {
        var rate = MessageRate(now: 1000)
        rate.note(received: 50, sent: 500, now: 1000 + MessageRate.window - 1)
        #expect(rate.perSecond == (0, 0))
        rate.note(received: 50, sent: 500, now: 1000 + MessageRate.window)
        #expect(rate.perSecond == (10, 100))
        // A beat that comes late counts the time that it took.
        rate.note(received: 150, sent: 500, now: 1000 + 3 * MessageRate.window)
        #expect(rate.perSecond == (10, 0))
    }

    @Test(
        arguments: [(99, 99), (101, 100), (105, 110), (123_456, 120_000), (999_999, 1_000_000)] as [(UInt64, UInt64)])
    func hasTwoDigits(_ perSecond: UInt64, _ shown: UInt64) {
        var rate = MessageRate(now: 0)
        rate.note(received: perSecond * MessageRate.window / 1000, sent: 0, now: MessageRate.window)
        #expect(rate.perSecond.received == shown)
    }

    /// A worker that is gone takes what it has not reported yet with it.
    @Test func fewerThanBeforeAreNone() {
        var rate = MessageRate(now: 0)
        rate.note(received: 5000, sent: 5000, now: MessageRate.window)
        rate.note(received: 4000, sent: 10000, now: 2 * MessageRate.window)
        #expect(rate.perSecond == (0, 1000))
    }
}
