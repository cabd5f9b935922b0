import Testing

@testable import Journal

@Suite struct RateLimiterTests {
    /// Protocol violations: 10 lines a second.
    @Test func aFloodIsCutToItsRateAndCounted() {
        var limiter = RateLimiter()
        let first = (0..<100).count { _ in limiter.admit(.protocolViolation, at: .zero) }
        #expect(first == 10)
        let held = limiter.takeHeldBack()
        #expect(held.map(\.event) == [.protocolViolation])
        #expect(held.map(\.count) == [90])
        let again = limiter.takeHeldBack()
        #expect(again.isEmpty)
    }

    @Test func timeFillsTheBucketButNotBeyondOneSecond() {
        var limiter = RateLimiter()
        for _ in 0..<10 { _ = limiter.admit(.protocolViolation, at: .zero) }
        let admitted = [99, 101, 102].map { limiter.admit(.protocolViolation, at: .milliseconds($0)) }
        #expect(admitted == [false, true, false])
        let later = (0..<100).count { _ in limiter.admit(.protocolViolation, at: .seconds(60)) }
        #expect(later == 10)
        let held = limiter.takeHeldBack()
        #expect(held.map(\.count) == [92])
    }

    @Test func kindsDoNotShareABucketAndSomeHaveNone() {
        var limiter = RateLimiter()
        for _ in 0..<11 { _ = limiter.admit(.protocolViolation, at: .zero) }
        let other = limiter.admit(.clientRefused, at: .zero)
        #expect(other)
        let unlimited = (0..<1000).count { _ in limiter.admit(.workerExited, at: .zero) }
        #expect(unlimited == 1000)
        let held = limiter.takeHeldBack()
        #expect(held.map(\.event) == [.protocolViolation])
    }
}
