// The loop's clock with times that the test makes up.

import Testing

@testable import Listener

@Suite struct LoopClockTests {
    @Test func aFrozenProcessCountsHalfASecondATurn() {
        var clock = LoopClock()
        var now: UInt64 = 1 << 40
        clock.advance(to: now)
        let start = clock.milliseconds
        now += 400
        clock.advance(to: now)
        #expect(clock.milliseconds == start + 400)
        now += 3_600_000
        clock.advance(to: now)
        #expect(clock.milliseconds == start + 400 + 500)
        #expect(clock.tenths == UInt32(clock.milliseconds / 100))
    }

    @Test func aClockThatIsReadLateDoesNotGoBack() {
        var clock = LoopClock()
        clock.advance(to: 1 << 40)
        let start = clock.milliseconds
        clock.advance(to: (1 << 40) - 1000)
        #expect(clock.milliseconds == start)
    }
}
