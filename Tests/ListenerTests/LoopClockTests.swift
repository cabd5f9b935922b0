// The loop's clock with times that the test makes up.

import Testing

@testable import Listener

@Suite struct LoopClockTests {
    @Test func aFrozenProcessCountsTwoSecondsATurn() {
        var clock = LoopClock()
        var now: UInt64 = 1 << 40
        clock.advance(to: now)
        let start = clock.milliseconds
        now += 1500
        clock.advance(to: now)
        #expect(clock.milliseconds == start + 1500)
        now += 3_600_000
        clock.advance(to: now)
        #expect(clock.milliseconds == start + 1500 + 2000)
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
