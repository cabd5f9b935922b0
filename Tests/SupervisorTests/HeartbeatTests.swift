import Testing

@testable import Supervisor

@Suite struct HeartbeatTests {
    @Test func pingsEachIntervalWhileAnswered() {
        var heartbeat = Heartbeat(interval: 1000, timeout: 10_000, now: 0)
        var pings: [UInt64] = []
        for now in stride(from: UInt64(0), through: 5000, by: 250) {
            if case .ping(let sequence) = heartbeat.turn(now: now) {
                pings.append(now)
                heartbeat.pong(sequence: sequence)
            }
        }
        #expect(pings == [0, 1000, 2000, 3000, 4000, 5000])
    }

    @Test func silenceForTheWholeTimeoutIsHanging() {
        var heartbeat = Heartbeat(interval: 1000, timeout: 10_000, now: 0)
        #expect(heartbeat.turn(now: 0) == .ping(sequence: 1))
        for now in stride(from: UInt64(1000), through: 9000, by: 1000) { #expect(heartbeat.turn(now: now) == .none) }
        #expect(heartbeat.turn(now: 10_000) == .hung)
        #expect(heartbeat.silence == 10_000)
    }

    @Test func aLateAnswerToAnotherPingMeansNothing() {
        var heartbeat = Heartbeat(interval: 100, timeout: 1000, now: 0)
        #expect(heartbeat.turn(now: 0) == .ping(sequence: 1))
        heartbeat.pong(sequence: 1)
        #expect(heartbeat.turn(now: 100) == .ping(sequence: 2))
        heartbeat.pong(sequence: 1)
        for now in stride(from: UInt64(200), through: 1000, by: 100) { #expect(heartbeat.turn(now: now) == .none) }
        #expect(heartbeat.turn(now: 1100) == .hung)
    }

    @Test(arguments: [(1000, 10_000), (1000, 100), (60_000, 100), (10, 600_000)] as [(UInt64, UInt64)])
    func aSupervisorThatWasStoppedDoesNotKill(interval: UInt64, timeout: UInt64) {
        var heartbeat = Heartbeat(interval: interval, timeout: timeout, now: 0)
        #expect(heartbeat.turn(now: 0) == .ping(sequence: 1))
        // An hour without a turn; the answer is read in the turn after the first.
        #expect(heartbeat.turn(now: 3_600_000) == .none)
        heartbeat.pong(sequence: 1)
        #expect(heartbeat.turn(now: 3_600_010) == .ping(sequence: 2))
    }

    @Test func theBeatIsFastEnoughForBothTimes() {
        #expect(Heartbeat.beat(interval: 1000, timeout: 10_000) == 1000)
        #expect(Heartbeat.beat(interval: 1000, timeout: 400) == 100)
        #expect(Heartbeat.beat(interval: 10, timeout: 100) == 10)
    }
}
