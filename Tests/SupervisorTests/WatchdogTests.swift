import Testing

@testable import Supervisor

/// Whether systemd hears that the broker lives: while everybody answers or is within a deadline.
@Suite struct WatchdogTests {
    private static let limit = Supervisor.deathLimit

    @Test func whoLivesIsNoReasonToBeSilent() {
        #expect(Supervisor.isWithinDeathLimit(killed: [], 1_000_000))
        #expect(Supervisor.isWithinDeathLimit(killed: [nil, nil], .max))
    }

    /// A process that even a kill does not end is no business of another supervisor's either, but systemd's it is.
    @Test func whoWasKilledAndStaysIsOneAfterTenSeconds() {
        #expect(Self.limit == 10_000)
        #expect(Supervisor.isWithinDeathLimit(killed: [nil, 5000], 5000))
        #expect(Supervisor.isWithinDeathLimit(killed: [nil, 5000], 5000 + Self.limit - 1))
        #expect(!Supervisor.isWithinDeathLimit(killed: [nil, 5000], 5000 + Self.limit))
        #expect(!Supervisor.isWithinDeathLimit(killed: [5000, 14_999, nil], 15_000))
    }
}
