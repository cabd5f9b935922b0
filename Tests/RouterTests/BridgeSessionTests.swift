import EventLoop
import Messages
import Testing

@testable import Router

@Suite struct BridgeSessionTests {
    static func settings(
        _ filters: [String] = ["out/#"], messages: UInt32 = 1000, policy: RouterSettings.QueuePolicy = .dropOldest
    ) -> RouterSettings {
        var settings = RouterSettings()
        settings.bridge = BridgeSession(
            items: filters.map { .init(filter: Array($0.utf8), options: 0b1101) }, messages: messages, bytes: 1 << 20,
            policy: policy)
        return settings
    }

    static func bench(_ settings: RouterSettings = settings(), folder: Folder = Folder()) throws -> RouterBench {
        var bench = try RouterBench(settings, folder: folder)
        bench.router.keepBridge()
        bench.connect(0, 0, "publisher")
        _ = bench.hear(0)
        return bench
    }

    func filters(_ bench: borrowing RouterBench) -> [String] {
        var found: [String] = []
        bench.router.tree.forEachSubscription(session: UInt32(bench.router.bridge)) { filter, _, _ in
            found.append(String(decoding: filter.raw.array, as: UTF8.self))
        }
        return found.sorted()
    }

    /// Whether a bridge has ever been there or not.
    @Test func whatIsForItWaits() throws {
        var bench = try Self.bench()
        bench.publish(0, 0, "out/a", "x", qos: 1, identifier: 1)
        bench.publish(0, 0, "other", "x", qos: 1, identifier: 2)
        let answers = bench.answers(0)
        #expect(answers.count == 2)
        let waiting = bench.router.sessions[bench.router.bridge].queue.waiting
        #expect(waiting == 1)
    }

    @Test func itHasTheSubscriptionsOfTheSettings() throws {
        var bench = try Self.bench(Self.settings(["a", "b/#"]))
        let first = filters(bench)
        #expect(first == ["a", "b/#"])
        let number = bench.router.bridge
        bench.router.settings = Self.settings(["b/#", "c/+"])
        bench.router.keepBridge()
        let second = filters(bench)
        #expect(second == ["b/#", "c/+"])
        let same = bench.router.bridge
        #expect(same == number)
    }

    /// In the store as well.
    @Test func anotherRouterFindsItAsItIsAskedFor() throws {
        let folder = Folder()
        var bench = try Self.bench(folder: folder)
        bench.publish(0, 0, "out/a", "x", qos: 1, identifier: 1)
        _ = bench.answers(0)
        bench.settle()
        bench.kill()
        var next = try Self.bench(Self.settings(["out/#", "more"]), folder: folder)
        let found = filters(next)
        #expect(found == ["more", "out/#"])
        let waiting = next.router.sessions[next.router.bridge].queue.waiting
        #expect(waiting == 1)
        next.settle()
        next.kill()
        // Without a bridge it is gone, and what waited with it.
        var last = try RouterBench(RouterSettings(), folder: folder)
        last.router.keepBridge()
        let (bridge, sessions) = (last.router.bridge, last.router.sessionCount)
        #expect(bridge == -1 && sessions == 0)
        last.settle()
        last.kill()
    }

    @Test(arguments: [RouterSettings.QueuePolicy.dropOldest, .dropNewest])
    func itsLimitsAreItsOwn(_ policy: RouterSettings.QueuePolicy) throws {
        let limit: UInt32 = 3
        var settings = Self.settings(messages: limit, policy: policy)
        settings.queueMessages = 1
        var bench = try Self.bench(settings)
        for number in 1...5 { bench.publish(0, 0, "out/a", "\(number)", qos: 1, identifier: UInt16(number)) }
        bench.settle()
        let waiting = bench.router.sessions[bench.router.bridge].queue.waiting
        let dropped = bench.router.counters[RouterCounter.bridgeDropped.rawValue]
        #expect(waiting == limit && dropped == 2)
    }

    @Test func nobodyElseMayHaveItsName() throws {
        var bench = try Self.bench()
        bench.connect(1, 1, "$bridge/rabbitmq", expiry: 100)
        let answers = try bench.hear(1).map { try ConnackFrame(decoding: $0).reasonCode }
        #expect(answers == [0x85])
        bench.router.links[1].role = .bridge
        bench.connect(1, 1, "$bridge/rabbitmq", expiry: 100)
        let granted = try bench.hear(1).map { try ConnackFrame(decoding: $0) }
        #expect(
            granted.map(\.reasonCode) == [0] && granted.allSatisfy { $0.sessionPresent && $0.sessionExpiry == .max })
    }
}
