import Testing

@testable import Bridge

@Suite struct RetryTests {
    /// Gives one end of the range that is asked for. 0 itself would be refused as unfair, again and again.
    struct Extreme: RandomNumberGenerator {
        let value: UInt64
        func next() -> UInt64 { value }
    }

    @Test func waitsDoubleUpToTheLimit() {
        var retry = Retry(limit: 1000)
        var longest = Extreme(value: .max)
        let waits = (0..<6).map { _ in retry.failed(using: &longest) }
        #expect(waits == [100, 200, 400, 800, 1000, 1000])
        retry.succeeded()
        let again = retry.failed(using: &longest)
        #expect(again == 100)
    }

    @Test func chanceMakesThemUpToAHalfShorter() {
        var retry = Retry(limit: 30_000)
        var shortest = Extreme(value: 1 << 32)
        let waits = (0..<3).map { _ in retry.failed(using: &shortest) }
        #expect(waits == [50, 100, 200])
    }
}
