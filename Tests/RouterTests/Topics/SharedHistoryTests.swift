// Random histories of shared and ordinary subscriptions side by side, against a naive matcher, and of one group's turns.

import Testing

@testable import Router

private typealias Member = TopicModel.Entry

/// The filter of a group as its members spelled it.
private func spelled(_ tree: borrowing TopicTree, _ group: UInt32) -> String {
    var filter: [UInt8] = []
    _ = tree.nodes.spell(tree.subscriptions[tree.groups.entry(group)].node, into: &filter)
    return String(decoding: "$share/".utf8 + (tree.shareName(ofGroup: group) ?? []) + "/".utf8 + filter, as: UTF8.self)
}

@Suite struct SharedHistoryTests {
    /// The groups of a model: the name and filter, and the members.
    private func shared(_ model: TopicModel, matching topic: String) -> [String: [Member]] {
        Dictionary(grouping: model.entries.filter { entry in entry.share.map { matches($0.filter, topic) } ?? false }) {
            $0.filter
        }
    }

    /// Compares the members of one group with the model's, and whether a round brings each of them its turn.
    private func check(_ tree: inout TopicTree, _ group: UInt32, _ members: [Member], _ comment: Comment) {
        let expected = members.map { member in
            let qos = member.options & 3
            let identifiers = member.identifier == 0 ? [] : [member.identifier]
            return Row(session: member.session, options: member.options & 0b1011 | qos << 4, identifiers: identifiers)
        }.sorted()
        var (listed, served): ([Row], [Row]) = ([], [])
        for index in 0..<tree.memberCount(ofGroup: group) {
            listed.append(row(tree, tree.member(index, ofGroup: group)))
            if let next = tree.nextMember(ofGroup: group) { served.append(row(tree, next)) }
        }
        #expect(listed.sorted() == expected, comment)
        #expect(served.sorted() == expected, comment)
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func history(seed: UInt64) throws {
        print("shared subscriptions: seed \(seed)")
        var random = TopicGenerator(seed: seed)
        var tree = TopicTree(
            limits: .init(cache: .init(topics: 512, bytes: 4096, rows: 300, topicLength: 60)), firstGroup: .max - 100)
        var model = TopicModel()
        // Topics that come often, so that the cache knows them.
        let topics = (0..<8).map { _ in random.topic() }
        /// The filter of every group's number that was ever seen.
        var known: [UInt32: String] = [:]
        for step in 0..<3000 {
            let comment: Comment = "seed \(seed), step \(step)"
            let session = UInt32.random(in: 0..<12, using: &random)
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<6:
                // Often one that exists, so that groups grow.
                let known = Bool.random(using: &random) ? model.entries.randomElement(using: &random)?.filter : nil
                let filter = known ?? random.anyFilter(topics.randomElement(using: &random)!)
                let options = UInt8.random(in: 0..<3, using: &random) | UInt8.random(in: 0..<2, using: &random) << 3
                let entry = Member(
                    filter: filter, session: session, options: options,
                    identifier: UInt32.random(in: 0..<4, using: &random))
                let existed = try subscribe(&tree, filter, session, options, entry.identifier)
                #expect(existed == model.put(entry), comment)
            case 6..<9:
                let filter = model.entries.randomElement(using: &random)?.filter ?? "a"
                #expect(unsubscribe(&tree, filter, session) == model.remove(filter, session), comment)
            case 9 where step % 3 == 0:
                tree.removeAll(session: session)
                model.entries.removeAll { $0.session == session }
            default:
                let topic = Bool.random(using: &random) ? random.topic() : topics.randomElement(using: &random)!
                let found = rows(&tree, topic)
                #expect(found.filter { $0.options & Recipient.group == 0 } == model.rows(topic), comment)
                var expected = shared(model, matching: topic)
                for row in found where row.options & Recipient.group != 0 {
                    #expect(row.options == Recipient.group && row.identifiers.isEmpty, comment)
                    let exists = tree.isGroup(row.session)
                    try #require(exists, comment)
                    let filter = spelled(tree, row.session)
                    check(&tree, row.session, expected.removeValue(forKey: filter) ?? [], comment)
                    known[row.session] = known[row.session] ?? filter
                }
                #expect(expected.isEmpty, comment)
            }
            let counts = (tree.count, tree.count(session: session), tree.groups.count)
            let groups = Set(model.entries.filter { $0.share != nil }.map(\.filter)).count
            #expect(
                counts == (model.entries.count, model.entries.filter { $0.session == session }.count, groups), comment)
        }
        for (number, filter) in known where !model.entries.contains(where: { $0.filter == filter }) {
            let exists = tree.isGroup(number)
            #expect(!exists, "seed \(seed), group \(number)")
        }
        for session in 0..<12 as Range<UInt32> { tree.removeAll(session: session) }
        let left = (tree.count, tree.nodes.count, tree.groups.count)
        #expect(left == (0, 0, 0))
        for number in known.keys {
            let exists = tree.isGroup(number)
            #expect(!exists, "seed \(seed), group \(number)")
        }
    }

    /// In each round a member that stays has one turn, whoever comes and goes.
    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func fairness(seed: UInt64) throws {
        print("turns: seed \(seed)")
        var random = TopicGenerator(seed: seed)
        var tree = TopicTree()
        let stays: Set<UInt32> = [8, 9, 10, 11]
        var group = none
        var waiting: Set<UInt32> = []
        for step in 0..<5000 {
            // Members that stay drift to the front; at times all begins anew, with them at the end.
            if step % 50 == 0 {
                for session in 0..<12 as Range<UInt32> { tree.removeAll(session: session) }
                for session in 0..<12 as Range<UInt32> { try subscribe(&tree, "$share/g/#", session) }
                group = rows(&tree, "a")[0].session
                waiting = stays
            }
            let session = UInt32.random(in: 0..<8, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: try subscribe(&tree, "$share/g/#", session)
            case 1: unsubscribe(&tree, "$share/g/#", session)
            default:
                let next = tree.nextMember(ofGroup: group)
                let turn = try #require(next).session
                guard stays.contains(turn) else { continue }
                #expect(waiting.remove(turn) != nil, "seed \(seed), step \(step): \(turn) before \(waiting)")
                if waiting.isEmpty { waiting = stays }
            }
        }
    }
}
