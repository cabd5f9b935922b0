import EventLoop
import MQTT
import Messages
import Testing

@testable import Router

/// Retained messages are the same at all brokers of a cluster.
@Suite struct ReplicateTests {
    static func item(
        _ topic: String, _ payload: String, at stamp: UInt64, secondsLeft: UInt32 = 0
    ) -> RetainedItem {
        RetainedItem(
            stamp: stamp, secondsLeft: secondsLeft, qos: 1, name: Array(topic.utf8), payload: Array(payload.utf8))
    }

    static func heard(_ number: UInt64, _ items: RetainedItem...) throws -> [UInt8] {
        var payload = [RetainedItem.version]
        for item in items { item.append(to: &payload) }
        return try OnceTests.frame(
            number, payload, topic: "$apus/retained", identifier: UInt16(truncatingIfNeeded: number))
    }

    static func said(_ bench: inout RouterBench) throws -> [RetainedItem] {
        try Talk.said(&bench, RetainedItem.topic).flatMap { bytes in
            let items = RetainedItem.all(in: bytes.span.raw)
            return try #require(items)
        }
    }

    /// Topics and payloads, as a new subscription would get them.
    static func kept(_ bench: borrowing RouterBench) -> [String: String] {
        var found: [String: String] = [:]
        for number in bench.router.retained.numbers
        where bench.router.retained.has(number) && !bench.router.retained[number].isCleared {
            let topic = String(decoding: bench.router.retained.topic(of: number), as: UTF8.self)
            guard !topic.hasPrefix("$") else { continue }
            found[topic] = String(decoding: bench.router.item(number).payload, as: UTF8.self)
        }
        return found
    }

    @Test func aChangeIsTold() throws {
        var bench = try OnceTests.joined()
        let before = wallNanoseconds()
        for (topic, payload) in [("t", "x"), ("t", "y"), ("t", ""), ("$own/t", "z")] {
            bench.publish(0, 0, topic, payload, qos: 1, identifier: 1, retain: true)
        }
        let said = try Self.said(&bench)
        #expect(said.map { String(decoding: $0.payload, as: UTF8.self) } == ["x", "y", ""])
        #expect(said.allSatisfy { $0.name == Array("t".utf8) })
        #expect(said.map(\.stamp) == said.map(\.stamp).sorted() && Set(said.map(\.stamp)).count == 3)
        #expect(said[0].stamp >= before)
        #expect(said[2].secondsLeft == Router.clearedFor)
        bench.kill()
    }

    @Test func whatIsNotForTheOthersIsNotTold() throws {
        var settings = BridgeSessionTests.settings(["out/#"])
        settings.bridge?.isCluster = true
        var bench = try OnceTests.joined(settings: settings)
        bench.publish(0, 0, "in/t", "x", qos: 1, identifier: 1, retain: true)
        bench.publish(0, 0, "out/t", "x", qos: 0, identifier: 0, retain: true)
        let said = try Self.said(&bench)
        #expect(said.map(\.name) == [Array("out/t".utf8)])
        bench.kill()
    }

    /// In whichever order they come, and by bytes where they are of one moment.
    @Test(arguments: [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]]) func theLaterOneHolds(_ order: [Int]) throws {
        let folder = Folder()
        var bench = try OnceTests.joined(folder)
        let items = [Self.item("t", "z", at: 1), Self.item("t", "a", at: 2), Self.item("t", "b", at: 2)]
        for (number, index) in order.enumerated() { bench.say(1, try Self.heard(UInt64(number), items[index])) }
        bench.settle()
        #expect(Self.kept(bench) == ["t": "b"])
        // Nobody is told again.
        let said = try Self.said(&bench)
        #expect(said.isEmpty)
        bench.kill()
        var next = try OnceTests.joined(folder)
        next.settle()
        #expect(Self.kept(next) == ["t": "b"])
        next.say(1, try Self.heard(9, Self.item("t", "old", at: 1)))
        #expect(Self.kept(next) == ["t": "b"])
        // What is retained here is later than what there is, whatever the clocks say.
        next.say(1, try Self.heard(10, Self.item("t", "from the future", at: .max - 5)))
        next.publish(0, 0, "t", "now", qos: 1, identifier: 1, retain: true)
        #expect(Self.kept(next) == ["t": "now"])
        next.kill()
    }

    /// What was cleared does not come back with what another broker retained earlier and tells later, for a while.
    @Test func whatWasClearedStaysSo() throws {
        let folder = Folder()
        var bench = try OnceTests.joined(folder)
        bench.publish(0, 0, "t", "x", qos: 1, identifier: 1, retain: true)
        bench.publish(0, 0, "t", "", qos: 1, identifier: 2, retain: true)
        bench.say(1, try Self.heard(1, Self.item("t", "older", at: 5)))
        #expect(Self.kept(bench) == [:])
        let counted = (bench.router.retained.count, bench.router.retained.cleared)
        #expect(counted == (0, 1))
        bench.settle()
        bench.kill()
        var next = try OnceTests.joined(folder)
        next.settle()
        next.say(1, try Self.heard(2, Self.item("t", "older", at: 5)))
        #expect(Self.kept(next) == [:])
        // Nobody who subscribes is told of it.
        next.subscribe(0, 0, "#", qos: 1)
        let found = try deliveries(next.hear(0))
        #expect(found.isEmpty)
        // It is forgotten some time.
        next.router.now += Router.clearedFor + 2
        while next.router.expire() {}
        next.router.continueReplays()
        let cleared = next.router.retained.cleared
        #expect(cleared == 0)
        next.kill()
    }

    @Test func beyondTheLimitNoMoreAreKnownAsCleared() throws {
        var bench = try OnceTests.joined()
        bench.router.retained.limits.cleared = 2
        for number in 0..<4 {
            bench.publish(0, 0, "t/\(number)", "x", qos: 1, identifier: 1, retain: true)
            bench.publish(0, 0, "t/\(number)", "", qos: 1, identifier: 2, retain: true)
        }
        let counted = (bench.router.retained.count, bench.router.retained.cleared)
        #expect(counted == (0, 2))
        bench.say(1, try Self.heard(1, Self.item("t/9", "", at: 5)))
        let still = bench.router.retained.cleared
        #expect(still == 2)
        bench.kill()
    }

    @Test func whatEndsByItselfEndsEverywhere() throws {
        var bench = try OnceTests.joined()
        bench.say(1, try Self.heard(1, Self.item("t", "x", at: 5, secondsLeft: 100)))
        let number = bench.router.retained.find(Array("t".utf8).span)
        let expiresAt = bench.router.retained[number].expiresAt
        #expect(expiresAt == bench.router.now + 100)
        let left = bench.router.item(number).secondsLeft
        #expect(left == 100)
        bench.kill()
    }
}

extension OnceTests {
    static func joined(settings: RouterSettings) throws -> RouterBench {
        var bench = try BridgeSessionTests.bench(settings)
        bench.router.links[1].role = .bridge
        bench.connect(1, 1, "$bridge/rabbitmq", expiry: .max)
        say(&bench, CongestionFrame(slot: 1, generation: 1, congested: false))
        return bench
    }
}
