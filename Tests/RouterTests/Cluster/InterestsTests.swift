import EventLoop
import Messages
import Testing

@testable import Router

/// What the bridge of a cluster is told of the clients' filters.
@Suite struct InterestsTests {
    /// A router with one client, and a bridge on link 1 that has joined.
    static func bench(isCluster: Bool = true) throws -> RouterBench {
        var settings = BridgeSessionTests.settings(["#"])
        settings.bridge?.isCluster = isCluster
        var bench = try BridgeSessionTests.bench(settings)
        bench.router.links[1].role = .bridge
        return bench
    }

    static func join(_ bench: inout RouterBench) { bench.connect(1, 1, "$bridge/rabbitmq", expiry: .max) }

    static func told(_ bench: inout RouterBench) throws -> [InterestsFrame] {
        while bench.router.canTellInterests { bench.router.tellInterests() }
        return try bench.hear(1).filter { $0[4] == FrameType.interests.rawValue }.map {
            try InterestsFrame(decoding: $0)
        }
    }

    static func item(_ filter: String, _ isWanted: Bool = true) -> InterestsFrame.Item {
        .init(filter: Array(filter.utf8), isWanted: isWanted)
    }

    @Test func everythingFirstThenWhatChanges() throws {
        var bench = try Self.bench()
        bench.subscribe(0, 0, "a/+", qos: 1)
        bench.subscribe(0, 0, "$share/g/b/#", qos: 1)
        Self.join(&bench)
        let first = try Self.told(&bench)
        #expect(first.first?.begins == true && first.last?.isWhole == true)
        #expect(first.filter(\.begins).count == 1)
        let filters = first.flatMap(\.items).sorted { $0.filter.lexicographicallyPrecedes($1.filter) }
        #expect(filters == [Self.item("a/+"), Self.item("b/#")])

        bench.subscribe(0, 0, "c", qos: 0)
        let second = try Self.told(&bench)
        #expect(second == [InterestsFrame(begins: false, isWhole: false, items: [Self.item("c")])])
        bench.disconnect(0, 0)
        let gone = try Self.told(&bench).flatMap(\.items)
        #expect(gone.count == 3 && gone.allSatisfy { !$0.isWanted })
        bench.settle()
        bench.kill()
    }

    /// The bridge's own subscriptions are nobody's interest, and what two clients want is named once.
    @Test func onceForAll() throws {
        var bench = try Self.bench()
        Self.join(&bench)
        let none = try Self.told(&bench)
        #expect(none == [InterestsFrame(begins: true, isWhole: true, items: [])])
        bench.connect(0, 2, "other")
        bench.subscribe(0, 0, "#", qos: 1)
        bench.subscribe(0, 2, "#", qos: 0)
        let both = try Self.told(&bench).flatMap(\.items)
        #expect(both == [Self.item("#")])
        bench.disconnect(0, 2)
        let still = try Self.told(&bench)
        #expect(still.isEmpty)
        bench.disconnect(0, 0)
        let last = try Self.told(&bench).flatMap(\.items)
        #expect(last == [Self.item("#", false)])
        bench.kill()
    }

    @Test func noneOutsideACluster() throws {
        var bench = try Self.bench(isCluster: false)
        Self.join(&bench)
        bench.subscribe(0, 0, "a", qos: 1)
        let told = try Self.told(&bench)
        #expect(told.isEmpty)
        bench.kill()
    }
}
