// Sessions that are loaded when somebody needs them.

import Testing

@testable import Store

@Suite struct LoadTests {
    /// A store with a session for each row: a client identifier, when it ends, and its filters.
    private static func store(
        _ folder: TemporaryFolder, _ rows: [(client: String, expiresAt: UInt64, filters: [String])]
    ) throws {
        let store = try folder.open()
        try store.apply { log in
            for (number, row) in rows.enumerated() {
                let number = UInt32(number * 3)
                log.putSession(
                    StoredSession(
                        number: number, clientIdentifier: Array(row.client.utf8), version: 5, expiryInterval: 100,
                        expiresAt: row.expiresAt))
                for filter in row.filters {
                    let octets = Array(filter.utf8)
                    log.putSubscription(number, octets.span.raw, options: 1, identifier: 0)
                }
                log.putReceived(number, 7)
            }
        }
        store.close()
    }

    private static let four: [(client: String, expiresAt: UInt64, filters: [String])] = [
        ("away", 50, ["a"]), ("here", 0, ["b", "c"]), ("shares", .max >> 1, ["$share/g/a"]), ("gone", 60, ["#"]),
    ]

    @Test func thoseWhoWereConnectedOrShareComeFirst() throws {
        let folder = TemporaryFolder()
        try Self.store(folder, Self.four)
        let contents = try Store.open(folder: folder.path, mode: .none, leaving: 2).takeContents()
        #expect(contents.loaded.sessions.map(\.number) == [3, 6])
        #expect(Set(contents.loaded.subscriptions.map(\.session)) == [3, 6])
        #expect(contents.loaded.subscriptions.count == 3)
        #expect(contents.loaded.received.map(\.session) == [3, 6])
        #expect(contents.asleep == 2)
        #expect(contents.highestNumber == 9)
    }

    /// Whatever lies between those that were connected, far or near.
    @Test(arguments: [[0, 1, 2, 3], [5, 9, 40, 41, 90], [99]]) func theConnectedAreFoundAmongMany(connected: [Int])
        throws
    {
        let folder = TemporaryFolder()
        try Self.store(folder, (0..<100).map { ("c\($0)", connected.contains($0) ? 0 : 50, ["f/\($0)"]) })
        let contents = try Store.open(folder: folder.path, mode: .none, leaving: 2).takeContents()
        let numbers = connected.map { UInt32($0 * 3) }
        #expect(contents.loaded.sessions.map(\.number) == numbers)
        #expect(contents.loaded.subscriptions.map(\.session) == numbers)
        #expect(contents.loaded.received.map(\.session) == numbers)
        #expect(contents.asleep == 100 - connected.count)
    }

    @Test func aFewAreNotWorthTheTrouble() throws {
        let folder = TemporaryFolder()
        try Self.store(folder, Self.four)
        let contents = try Store.open(folder: folder.path, mode: .none, leaving: 4).takeContents()
        #expect(contents.loaded.sessions.count == 4)
        #expect(contents.asleep == 0)
    }

    @Test func theOthersAreFoundByNumberAndClient() throws {
        let folder = TemporaryFolder()
        try Self.store(folder, Self.four)
        let store = try Store.open(folder: folder.path, mode: .none, leaving: 2)
        let found = try store.sessions(1...6)
        #expect(found.sessions.map(\.number) == [3, 6])
        #expect(found.subscriptions.count == 3)
        #expect(found.received.count == 2)
        #expect(try store.session(ofClient: Array("gone".utf8)) == 9)
        #expect(try store.session(ofClient: Array("nobody".utf8)) == nil)
        store.endLoading()
    }

    @Test func emptyStoresHaveNothing() throws {
        let folder = TemporaryFolder()
        let store = try folder.open()
        let contents = store.takeContents()
        #expect(contents.loaded == StoredSessions())
        #expect(contents.asleep == 0)
        #expect(contents.highestNumber == -1)
        #expect(try store.sessions(0...8_388_607) == StoredSessions())
    }

    /// Filters and topics of few levels and fewer names, so that most of what can happen does.
    @Test func aTopicFindsTheFiltersThatMatch() throws {
        var random = SplitMix64(seed: 5)
        func name(_ names: [String]) -> String {
            let levels = (0..<Int.random(in: 1...4, using: &random)).map { _ in names.randomElement(using: &random)! }
            return levels.joined(separator: "/")
        }
        var filters: Set<String> = []
        while filters.count < 400 {
            let filter = name(["a", "b", "", "+", "a.", "$a"])
            filters.insert(Bool.random(using: &random) ? filter : "\(filter)/#")
        }
        filters.insert("#")
        let rows = filters.sorted().enumerated().map { ("c\($0)", UInt64(50), [$1]) }
        let folder = TemporaryFolder()
        try Self.store(folder, rows)
        let store = try folder.open()
        for _ in 0..<500 {
            let topic = name(["a", "b", "", "a.", "$a", "c"])
            let octets = Array(topic.utf8)
            let found = Set(try store.sessions(matching: octets.span).map { rows[Int($0) / 3].2[0] })
            #expect(found == filters.filter { Self.matches($0, topic) }, "\(topic)")
        }
    }

    /// MQTT 5.0, 4.7, word for word.
    private static func matches(_ filter: String, _ topic: String) -> Bool {
        let filters = filter.split(separator: "/", omittingEmptySubsequences: false)
        let levels = topic.split(separator: "/", omittingEmptySubsequences: false)
        if topic.hasPrefix("$"), filters[0] == "+" || filters[0] == "#" { return false }
        for (index, part) in filters.enumerated() {
            if part == "#" { return true }
            guard index < levels.count, part == "+" || part == levels[index] else { return false }
        }
        return filters.count == levels.count
    }
}
