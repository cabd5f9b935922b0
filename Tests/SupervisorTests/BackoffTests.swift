import Testing

@testable import Supervisor

@Suite struct BackoffTests {
    @Test func theFirstDeathCostsNothingThenDelaysDouble() {
        var backoff = Backoff()
        let delays = (0..<12).map { _ in backoff.died(readyFor: nil) }
        #expect(
            delays == [0, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000])
    }

    @Test func aWorkerThatWasReadyOnlyBrieflyHasNotProvedItself() {
        var backoff = Backoff()
        _ = backoff.died(readyFor: nil)
        #expect(backoff.died(readyFor: Backoff.proof - 1) == 100)
        #expect(backoff.died(readyFor: 0) == 200)
    }

    @Test func proofStartsAfresh() {
        var backoff = Backoff()
        for _ in 0..<6 { _ = backoff.died(readyFor: nil) }
        #expect(backoff.died(readyFor: Backoff.proof) == 0)
        #expect(backoff.died(readyFor: nil) == 100)
    }
}
