// Groups of shared subscriptions in the topic tree: rows, members, turns, and what spoils the cache.

import Testing

@testable import Router

/// The numbers of the groups that match.
private func groups(_ tree: inout TopicTree, _ topic: String) -> [UInt32] {
    let bytes = Array(topic.utf8)
    return tree.match(bytes.span).indices.filter { tree[$0].isGroup }.map { tree[$0].session }
}

private func name(_ tree: borrowing TopicTree, _ group: UInt32) -> String? {
    tree.shareName(ofGroup: group).map { String(decoding: $0, as: UTF8.self) }
}

/// The sessions of one round of turns.
private func round(_ tree: inout TopicTree, _ group: UInt32) -> [UInt32] {
    (0..<tree.memberCount(ofGroup: group)).compactMap { _ in tree.nextMember(ofGroup: group)?.session }
}

@Suite struct SharedSubscriptionTests {
    @Test(arguments: matchingRules)
    func rules(rule: (filter: String, topic: String, matches: Bool)) throws {
        var tree = TopicTree(firstGroup: 70)
        try subscribe(&tree, "$share/g/" + rule.filter, 7, 1)
        let expected: [UInt32] = rule.matches ? [70] : []
        #expect(groups(&tree, rule.topic) == expected)
        #expect(groups(&tree, rule.topic) == expected, "from the cache")
        #expect(groups(&tree, "$share/g/" + rule.topic) == [], "the prefix is no part of the filter")
    }

    @Test func rowsOfTheirOwn() throws {
        var tree = TopicTree(firstGroup: 1)
        try subscribe(&tree, "$share/g/a/+", 1, 1 | 8, 9)
        try subscribe(&tree, "$share/g/a/b", 1, 0)
        try subscribe(&tree, "$share/h/a/+", 2, 2)
        try subscribe(&tree, "a/+", 1, 2, 5)
        try subscribe(&tree, "a/b", 2, 1)
        #expect(groups(&tree, "a/b").sorted() == [1, 2, 3])
        #expect(
            rows(&tree, "a/b").filter { $0.options & Recipient.group == 0 } == [
                Row(session: 1, options: 0x22, identifiers: [5]), Row(session: 2, options: 0x11, identifiers: []),
            ])
        let names = [name(tree, 1), name(tree, 2), name(tree, 3), name(tree, 4)]
        #expect(names == ["g", "g", "h", nil])
        let next = tree.nextMember(ofGroup: 1)
        let member = try #require(next)
        #expect(!member.isGroup && member.session == 1 && member.options == 0x11 | 8)
        var cursor = member.identifiers
        let identifiers = [tree.identifier(after: &cursor), tree.identifier(after: &cursor)]
        #expect(identifiers == [9, nil])
        let counts = (tree.count, tree.count(session: 1), tree.count(session: 2))
        #expect(counts == (5, 3, 2))
    }

    @Test func replacing() throws {
        var tree = TopicTree()
        #expect(try !subscribe(&tree, "$share/g/a", 1, 1))
        #expect(try subscribe(&tree, "$share/g/a", 1, 2, 7))
        #expect(try !subscribe(&tree, "a", 1))
        #expect(try !subscribe(&tree, "$share/h/a", 1))
        let members = (tree.memberCount(ofGroup: 0), tree.member(0, ofGroup: 0).options)
        #expect(members == (1, 0x22))
        #expect(!unsubscribe(&tree, "$share/g/b", 1))
        #expect(!unsubscribe(&tree, "$share/i/a", 1))
        #expect(!unsubscribe(&tree, "$share/g/a", 2))
        #expect(unsubscribe(&tree, "$share/g/a", 1))
        #expect(!unsubscribe(&tree, "$share/g/a", 1))
        #expect(rows(&tree, "a").map(\.options) == [0, Recipient.group])
        #expect(unsubscribe(&tree, "a", 1))
        #expect(unsubscribe(&tree, "$share/h/a", 1))
        let left = (tree.count, tree.groups.count, tree.nodes.count)
        #expect(left == (0, 0, 0))
    }

    @Test func aNumberThatOutlivesItsGroup() throws {
        var tree = TopicTree(firstGroup: .max - 1)
        try subscribe(&tree, "$share/g/a", 1)
        let first = groups(&tree, "a")[0]
        tree.removeAll(session: 1)
        let gone = (tree.isGroup(first), tree.memberCount(ofGroup: first), tree.nextMember(ofGroup: first) == nil)
        #expect(gone == (false, 0, true))
        // The number that stands for none is passed over; one that has gone by does not come back.
        var seen: Set = [first]
        for number in 0..<1000 {
            try subscribe(&tree, "$share/g/a", 1)
            let group = groups(&tree, "a")[0]
            let isNew = seen.insert(group).inserted && group != none
            #expect(isNew, "\(group) in round \(number)")
            let isFirst = tree.isGroup(first)
            #expect(!isFirst)
            tree.removeAll(session: 1)
        }
    }

    @Test func manyGroups() throws {
        var tree = TopicTree()
        for number in 0..<1000 as Range<UInt32> { try subscribe(&tree, "$share/\(number)/a", number % 7) }
        for number in 0..<1000 where number % 3 == 0 { unsubscribe(&tree, "$share/\(number)/a", UInt32(number % 7)) }
        for number in 1000..<2000 as Range<UInt32> { try subscribe(&tree, "$share/\(number)/a", number % 7) }
        let found = groups(&tree, "a")
        let expected = (0..<2000).filter { $0 >= 1000 || $0 % 3 != 0 }.map { "\($0)" }
        var names: Set<String?> = []
        for group in found { names.insert(name(tree, group)) }
        #expect(names == Set(expected) && found.count == expected.count)
        #expect(rows(&tree, "a").count == expected.count)
    }

    @Test func lists() throws {
        var tree = TopicTree()
        let filters = [
            "$share/g/a", "a", "$share/a share name that is long/#", "$share/g//", "$share/g/$share/g/a", "$share//a",
            "$share/g", "$share/g/a level of more than sixteen bytes/+",
        ]
        for filter in filters { try subscribe(&tree, filter, 3, 0x21, 5) }
        var listed: [String] = []
        tree.forEachSubscription(session: 3) { filter, options, identifier in
            var bytes: [UInt8] = []
            for index in filter.indices { bytes.append(filter[index]) }
            listed.append(String(decoding: bytes, as: UTF8.self))
            #expect(options == 0x21 && identifier == 5)
        }
        #expect(listed == filters.reversed())
        let groups = tree.groups.count
        #expect(groups == 5, "what is no share name and filter is an ordinary filter")
        tree.removeAll(session: 3)
        let left = (tree.count, tree.groups.count, tree.nodes.count)
        #expect(left == (0, 0, 0))
    }

    @Test func limits() throws {
        var tree = TopicTree(limits: .init(subscriptions: 3, subscriptionsOfSession: 2, levels: 2))
        #expect(throws: SubscriptionRefused.tooManyLevels) { try subscribe(&tree, "$share/g/a/b/c", 0) }
        try subscribe(&tree, "$share/g/a/b", 0)
        try subscribe(&tree, "$share/g/a", 0)
        #expect(throws: SubscriptionRefused.tooManyOfSession) { try subscribe(&tree, "$share/g/b", 0) }
        #expect(throws: SubscriptionRefused.tooManyOfSession) { try subscribe(&tree, "$share/h/a", 0) }
        try subscribe(&tree, "$share/g/a", 1)
        #expect(throws: SubscriptionRefused.tooMany) { try subscribe(&tree, "$share/g/b", 1) }
        #expect(try subscribe(&tree, "$share/g/a", 1, 1), "a replacement adds nothing")
        let left = (tree.nodes.count, tree.groups.count)
        #expect(left == (2, 2), "what was refused left nothing")
    }

    @Test func turns() throws {
        var tree = TopicTree()
        for session in 0..<5 as Range<UInt32> { try subscribe(&tree, "$share/g/a", session) }
        #expect(round(&tree, 0) == [0, 1, 2, 3, 4])
        let early = [tree.nextMember(ofGroup: 0)!.session, tree.nextMember(ofGroup: 0)!.session]
        #expect(early == [0, 1])
        // One that had its turn leaves, one that waits leaves, one comes: those that wait still have it before others.
        unsubscribe(&tree, "$share/g/a", 1)
        unsubscribe(&tree, "$share/g/a", 3)
        try subscribe(&tree, "$share/g/a", 9)
        let late = (0..<3).map { _ in tree.nextMember(ofGroup: 0)!.session }
        #expect(late.sorted() == [2, 4, 9])
        let again = tree.nextMember(ofGroup: 0)!.session
        #expect(again == 0)
    }

    @Test func membersSpoilNoRows() throws {
        var tree = TopicTree()
        try subscribe(&tree, "$share/g/+", 1)
        try subscribe(&tree, "$share/g/b", 1)
        _ = rows(&tree, "a") + rows(&tree, "b")
        let steps: [(what: String, walks: UInt64, change: (inout TopicTree) throws -> Void)] = [
            ("one joins", 0, { try subscribe(&$0, "$share/g/+", 2) }),
            ("one joins", 0, { try subscribe(&$0, "$share/g/b", 2) }),
            ("one changes its options", 0, { try subscribe(&$0, "$share/g/+", 2, 1, 8) }),
            ("one leaves", 0, { unsubscribe(&$0, "$share/g/+", 1) }),
            ("one ends", 0, { $0.removeAll(session: 1) }),
            ("a group without wildcards begins", 1, { try subscribe(&$0, "$share/h/b", 3) }),
            ("a group without wildcards ends", 1, { unsubscribe(&$0, "$share/h/b", 3) }),
            ("a group with a wildcard begins", 2, { try subscribe(&$0, "$share/h/+", 3) }),
            ("a group with a wildcard ends with its last member", 2, { $0.removeAll(session: 3) }),
        ]
        for step in steps {
            let before = tree.walks
            try step.change(&tree)
            _ = rows(&tree, "a") + rows(&tree, "b")
            let walks = tree.walks - before
            #expect(walks == step.walks, "\(step.what)")
        }
    }
}
