import Testing

@testable import Supervisor

@Suite struct StopInOrderTests {
    @Test func listenersStopThenTheRouter() {
        var stop = StopInOrder(groups: [[2, 3], [1]], now: 0, limit: 10_000)
        #expect(stop.turn(now: 0) == [.stop(worker: 2, limit: 6750), .stop(worker: 3, limit: 6750)])
        #expect(stop.deadline == 7500)
        #expect(stop.stopped(3, now: 10) == [])
        // A second word from the same worker, or its exit, does not count for another.
        #expect(stop.exited(3, now: 20) == [])
        #expect(stop.stopped(2, now: 1000) == [.stop(worker: 1, limit: 8100)])
        #expect(stop.exited(2, now: 1100) == [])
        #expect(stop.stopped(1, now: 1200) == [])
        #expect(!stop.isFinished)
        #expect(stop.exited(1, now: 1300) == [])
        #expect(stop.isFinished)
    }

    @Test func whoDiesInsteadOfStoppingIsNotWaitedFor() {
        var stop = StopInOrder(groups: [[2], [1]], now: 0, limit: 1000)
        _ = stop.turn(now: 0)
        #expect(stop.exited(2, now: 1) == [.stop(worker: 1, limit: 899)])
        #expect(stop.exited(1, now: 2) == [])
        #expect(stop.isFinished)
    }

    @Test func lateListenersAreKilledBeforeTheRouterIsTold() {
        var stop = StopInOrder(groups: [[2, 3], [1]], now: 0, limit: 1000)
        _ = stop.turn(now: 0)
        _ = stop.stopped(2, now: 100)
        #expect(stop.turn(now: 749) == [])
        #expect(stop.turn(now: 750) == [.kill(worker: 3)])
        // Each is killed once, however often it is asked.
        #expect(stop.turn(now: 760) == [])
        #expect(stop.exited(3, now: 770) == [.stop(worker: 1, limit: 207)])
        // Worker 2 said that it stopped but never exited.
        #expect(stop.turn(now: 1000) == [.kill(worker: 1), .kill(worker: 2)])
        _ = stop.exited(1, now: 1001)
        #expect(!stop.isFinished)
        _ = stop.exited(2, now: 1002)
        #expect(stop.isFinished)
    }

    @Test func withoutListenersTheRouterIsToldAtOnce() {
        var stop = StopInOrder(groups: [[], [1]], now: 0, limit: 1000)
        #expect(stop.turn(now: 0) == [.stop(worker: 1, limit: 900)])
    }

    @Test func aRouterThatDiesFirstIsNotWaitedFor() {
        var stop = StopInOrder(groups: [[2], [1]], now: 0, limit: 1000)
        _ = stop.turn(now: 0)
        #expect(stop.exited(1, now: 1) == [])
        #expect(stop.exited(2, now: 2) == [])
        #expect(stop.isFinished)
    }

    @Test func withoutAnyWorkerItIsFinished() {
        var stop = StopInOrder(groups: [[], []], now: 0, limit: 1000)
        #expect(stop.turn(now: 0) == [])
        #expect(stop.isFinished)
    }
}
