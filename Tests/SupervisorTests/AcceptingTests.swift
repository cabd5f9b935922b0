import Glibc
import Testing

@testable import Supervisor

@Suite struct AcceptingTests {
    @Test(arguments: [EMFILE, ENFILE])
    func withoutDescriptorsOneIsRefusedAndTheSocketRests(code: Int32) {
        var gate = AcceptGate()
        #expect(gate.isOpen(now: 1000))
        #expect(gate.failed(code, now: 1000) == .refuseAndRest)
        #expect(!gate.isOpen(now: 1099))
        #expect(gate.isOpen(now: 1100))
    }

    @Test func aClosedConnectionEndsTheRest() {
        var gate = AcceptGate()
        _ = gate.failed(ENFILE, now: 1000)
        gate.open()
        #expect(gate.isOpen(now: 1001))
    }

    @Test func whatFailsWithoutMemoryRests() {
        for code in [ENOMEM, ENOBUFS, EBADF] {
            var gate = AcceptGate()
            #expect(gate.failed(code, now: 0) == .rest)
            #expect(!gate.isOpen(now: 99))
        }
    }

    @Test func whatConcernsOneConnectionDoesNotCloseTheGate() {
        for code in [ECONNABORTED, EINTR, EPROTO, ENETUNREACH] {
            var gate = AcceptGate()
            #expect(gate.failed(code, now: 0) == .next)
            #expect(gate.isOpen(now: 0))
        }
        var gate = AcceptGate()
        #expect(gate.failed(EAGAIN, now: 0) == .done)
        #expect(gate.isOpen(now: 0))
    }

    @Test func theBudgetIsWhatFits() {
        let roomy = DescriptorBudget(wanted: 100_000, available: 1 << 20, workers: 3)
        #expect(roomy.connections == 100_000 && !roomy.isCapped)
        let tight = DescriptorBudget(wanted: 100_000, available: 20_000, workers: 4)
        #expect(tight.connections == 18_944 && tight.isCapped)
        let tiny = DescriptorBudget(wanted: 100, available: 256, workers: 3)
        #expect(tiny.connections == 100 && tiny.reserved == 128)
        #expect(DescriptorBudget(wanted: 200, available: 256, workers: 3).connections == 128)
    }

    @Test func timersExpireInTheirOrder() {
        var timers = TimerList<String>()
        #expect(timers.wait(now: 0) == -1)
        timers.set("b", at: 200)
        timers.set("a", at: 100)
        timers.set("c", at: 300)
        timers.set("c", at: 150)
        #expect(timers.wait(now: 40) == 60)
        #expect(timers.expired(now: 99) == [])
        #expect(timers.expired(now: 150) == ["a", "c"])
        timers.cancel("b")
        #expect(timers.wait(now: 150) == -1)
    }

    @Test func sourcesSurviveThePoller() {
        for source: Source in [.signals, .controlSocket, .port(7), .worker(.max), .operator(0)] {
            #expect(Source(tag: source.tag) == source)
        }
        #expect(Source(tag: .max) == nil)
    }
}
