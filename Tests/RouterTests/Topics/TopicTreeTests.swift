// The topic tree against the rules of the specification, and against a naive matcher over random histories.

import Testing

@testable import Router

@Suite struct TopicTreeTests {
    @Test(arguments: matchingRules)
    func rules(rule: (filter: String, topic: String, matches: Bool)) throws {
        var tree = TopicTree()
        try subscribe(&tree, rule.filter, 7, 1)
        let expected = rule.matches ? [Row(session: 7, options: 0x11, identifiers: [])] : []
        #expect(rows(&tree, rule.topic) == expected)
        #expect(rows(&tree, rule.topic) == expected, "from the cache")
        #expect(matches(rule.filter, rule.topic) == rule.matches, "the naive matcher")
    }

    @Test func replacing() throws {
        var tree = TopicTree()
        #expect(try !subscribe(&tree, "a/+", 1, 1))
        #expect(try subscribe(&tree, "a/+", 1, 2, 9))
        let count = (tree.count, tree.count(session: 1), tree.count(session: 2))
        #expect(count == (1, 1, 0))
        #expect(rows(&tree, "a/b") == [Row(session: 1, options: 0x22, identifiers: [9])])
        #expect(!unsubscribe(&tree, "a/b", 1))
        #expect(!unsubscribe(&tree, "a/+", 2))
        #expect(unsubscribe(&tree, "a/+", 1))
        #expect(!unsubscribe(&tree, "a/+", 1))
        #expect(rows(&tree, "a/b") == [])
    }

    @Test func overlapping() throws {
        var tree = TopicTree()
        try subscribe(&tree, "a/b", 1, 0, 10)
        try subscribe(&tree, "a/+", 1, 2 | 4, 11)
        try subscribe(&tree, "#", 1, 1 | 8)
        try subscribe(&tree, "a/#", 2, 1 | 4, 12)
        let noLocal: UInt32 = 1 << 31
        #expect(
            rows(&tree, "a/b") == [
                Row(session: 1, options: 2 | 8 | 1 << 4, identifiers: [10, 11 | noLocal]),
                Row(session: 2, options: 1 | 4, identifiers: [12]),
            ])
    }

    @Test func lists() throws {
        var tree = TopicTree()
        let filters = ["a", "a/b", "+/#", "", "/", "seventeen-bytes-a/+/a level of more than sixteen bytes"]
        for (index, filter) in filters.enumerated() { try subscribe(&tree, filter, 3, UInt8(index % 3) | 0x20, 5) }
        try subscribe(&tree, "a", 4)
        var listed: [String] = []
        tree.forEachSubscription(session: 3) { filter, options, identifier in
            var bytes: [UInt8] = []
            for index in filter.indices { bytes.append(filter[index]) }
            listed.append(String(decoding: bytes, as: UTF8.self))
            #expect(options == UInt8((filters.count - listed.count) % 3) | 0x20)
            #expect(identifier == 5)
        }
        #expect(listed == filters.reversed())
        tree.removeAll(session: 3)
        let left = (tree.count, tree.nodes.count)
        #expect(left == (1, 1))
    }

    @Test func limits() throws {
        var tree = TopicTree(limits: .init(subscriptions: 5, subscriptionsOfSession: 3, levels: 4))
        try subscribe(&tree, "a/b/c/d", 0)
        #expect(throws: SubscriptionRefused.tooManyLevels) { try subscribe(&tree, "a/b/c/d/e", 0) }
        #expect(throws: SubscriptionRefused.tooManyLevels) { try subscribe(&tree, "////", 0) }
        try subscribe(&tree, "b", 0)
        try subscribe(&tree, "c", 0)
        #expect(throws: SubscriptionRefused.tooManyOfSession) { try subscribe(&tree, "d", 0) }
        try subscribe(&tree, "a/b", 1)
        try subscribe(&tree, "b", 1)
        #expect(throws: SubscriptionRefused.tooMany) { try subscribe(&tree, "c", 1) }
        #expect(try subscribe(&tree, "b", 1, 1), "a replacement adds nothing")
        let nodes = tree.nodes.count
        #expect(nodes == 6, "what was refused left no node")
        unsubscribe(&tree, "b", 0)
        #expect(try !subscribe(&tree, "c", 1))
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func history(seed: UInt64) throws {
        var random = TopicGenerator(seed: seed)
        var tree = TopicTree(limits: .init(cache: .init(topics: 512, bytes: 4096, rows: 300, topicLength: 60)))
        var model = TopicModel()
        for step in 0..<3000 {
            let session = UInt32.random(in: 0..<12, using: &random)
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<4:
                let filter = random.filter()
                let options = UInt8.random(in: 0..<3, using: &random) | UInt8.random(in: 0..<4, using: &random) << 2
                let identifier = UInt32.random(in: 0..<4, using: &random)
                let existed = try subscribe(&tree, filter, session, options, identifier)
                let entry = TopicModel.Entry(
                    filter: filter, session: session, options: options, identifier: identifier)
                #expect(existed == model.put(entry), "seed \(seed), step \(step)")
            case 4..<6:
                let filter = model.entries.randomElement(using: &random)?.filter ?? "a"
                let existed = model.remove(filter, session)
                #expect(unsubscribe(&tree, filter, session) == existed, "seed \(seed), step \(step)")
            case 6 where step % 5 == 0:
                tree.removeAll(session: session)
                model.entries.removeAll { $0.session == session }
            default:
                let topic = random.topic()
                #expect(rows(&tree, topic) == model.rows(topic), "seed \(seed), step \(step), \(topic)")
            }
            let counts = (tree.count, tree.count(session: session))
            #expect(counts == (model.entries.count, model.entries.filter { $0.session == session }.count))
        }
        for session in 0..<12 as Range<UInt32> { tree.removeAll(session: session) }
        let left = (tree.count, tree.nodes.count)
        #expect(left == (0, 0))
    }
}

@Suite struct MatchCacheTests {
    /// How many walks `body` causes.
    private func walks(_ tree: inout TopicTree, _ body: (inout TopicTree) throws -> Void) rethrows -> UInt64 {
        let before = tree.walks
        try body(&tree)
        return tree.walks - before
    }

    @Test func forgetsOnlyWhatChanged() throws {
        var tree = TopicTree()
        try subscribe(&tree, "a/b", 1, 1)
        let first = walks(&tree) { _ = rows(&$0, "a/b") + rows(&$0, "c") + rows(&$0, "a/b") + rows(&$0, "c") }
        #expect(first == 2)
        try subscribe(&tree, "a/b", 2)
        let exact = walks(&tree) { _ = rows(&$0, "a/b") + rows(&$0, "c") }
        #expect(exact == 1, "a filter without wildcards spoils its own topic only")
        try subscribe(&tree, "a/b", 2)
        let same = walks(&tree) { _ = rows(&$0, "a/b") + rows(&$0, "c") }
        #expect(same == 0, "what changes nothing spoils nothing")
        try subscribe(&tree, "+/#", 2)
        let wildcard = walks(&tree) { _ = rows(&$0, "a/b") + rows(&$0, "c") }
        #expect(wildcard == 2)
        tree.removeAll(session: 1)
        tree.removeAll(session: 9)
        let removed = walks(&tree) { _ = rows(&$0, "a/b") + rows(&$0, "c") }
        #expect(removed == 1)
    }

    @Test func staysWithinItsLimits() throws {
        var tree = TopicTree(limits: .init(cache: .init(topics: 1024, bytes: 1 << 14, rows: 500)))
        for session in 0..<10 as Range<UInt32> {
            try subscribe(&tree, "#", session, 0, 1)
            try subscribe(&tree, "+/#", session, 0, 2)
        }
        for number in 0..<5_000 {
            let topic = "topic/\(number)"
            let found = rows(&tree, topic)
            #expect(found.count == 10 && found[9].identifiers == [1, 2])
            let cache = (tree.cache.count, tree.cache.rows.count, tree.cache.cells.count)
            #expect(cache.0 <= 1024 && cache.1 <= 510 && cache.2 <= 520)
        }
        tree.removeAll(session: 0)
        for number in 0..<3_000 {
            let long = String(repeating: "x", count: number % 1100)
            #expect(rows(&tree, long).count == 9)
            let count = tree.cache.count
            #expect(count <= 1024)
        }
    }

    @Test func aChangedFanOutReusesItsRows() throws {
        var tree = TopicTree()
        for session in 0..<100 as Range<UInt32> { try subscribe(&tree, "a", session) }
        #expect(rows(&tree, "a").count == 100)
        for session in 0..<100 as Range<UInt32> {
            unsubscribe(&tree, "a", session)
            #expect(rows(&tree, "a").map(\.session) == Array((session + 1)..<100))
        }
        let kept = tree.cache.rows.count
        #expect(kept == 100)
    }
}
