// What the tests of the topic tree share: rows spelled out, calls with strings, and the subscriptions as a plain list.

import Testing

@testable import Router

/// A row with its identifiers spelled out.
struct Row: Equatable, Comparable, CustomStringConvertible {
    var session: UInt32
    var options: UInt8
    var identifiers: [UInt32]

    static func < (left: Row, right: Row) -> Bool {
        let groups = (left.options & Recipient.group, right.options & Recipient.group)
        return (groups.0, left.session) < (groups.1, right.session)
    }
    var description: String { "\(session):\(options)\(identifiers)" }
}

func row(_ tree: borrowing TopicTree, _ recipient: Recipient) -> Row {
    var identifiers: [UInt32] = []
    var cursor = recipient.identifiers
    while let identifier = tree.identifier(after: &cursor) { identifiers.append(identifier) }
    return Row(session: recipient.session, options: recipient.options, identifiers: identifiers.sorted())
}

/// The rows of a match, those of groups last.
func rows(_ tree: inout TopicTree, _ topic: String) -> [Row] {
    let bytes = Array(topic.utf8)
    return tree.match(bytes.span).indices.map { row(tree, tree[$0]) }.sorted()
}

@discardableResult
func subscribe(
    _ tree: inout TopicTree, _ filter: String, _ session: UInt32, _ options: UInt8 = 0, _ identifier: UInt32 = 0
) throws(SubscriptionRefused) -> Bool {
    let bytes = Array(filter.utf8)
    return try tree.subscribe(bytes.span, session: session, options: options, identifier: identifier)
}

@discardableResult
func unsubscribe(_ tree: inout TopicTree, _ filter: String, _ session: UInt32) -> Bool {
    let bytes = Array(filter.utf8)
    return tree.unsubscribe(bytes.span, session: session)
}

/// The subscriptions as the model keeps them.
struct TopicModel {
    struct Entry: Equatable {
        var filter: String
        var session: UInt32
        var options: UInt8
        var identifier: UInt32

        /// Share name and filter of a shared subscription.
        var share: (name: String, filter: String)? {
            let parts = filter.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
            return parts.count == 3 && parts[0] == "$share" ? (String(parts[1]), String(parts[2])) : nil
        }
    }
    var entries: [Entry] = []

    /// Adds or replaces an entry and returns whether there was one.
    mutating func put(_ entry: Entry) -> Bool {
        if let index = index(entry.filter, entry.session) {
            entries[index] = entry
            return true
        }
        entries.append(entry)
        return false
    }

    /// Removes an entry and returns whether there was one.
    mutating func remove(_ filter: String, _ session: UInt32) -> Bool {
        guard let index = index(filter, session) else { return false }
        entries.remove(at: index)
        return true
    }

    private func index(_ filter: String, _ session: UInt32) -> Int? {
        entries.firstIndex { $0.filter == filter && $0.session == session }
    }

    /// The rows of sessions, without those of groups.
    func rows(_ topic: String) -> [Row] {
        var rows: [UInt32: Row] = [:]
        let ordinary = entries.filter { $0.share == nil && matches($0.filter, topic) }
        for (session, found) in Dictionary(grouping: ordinary, by: \.session) {
            let others = found.filter { $0.options & 4 == 0 }
            var options = found.map { $0.options & 3 }.max()! | found.reduce(0) { $0 | $1.options & 8 }
            options |= others.isEmpty ? 4 : others.map { $0.options & 3 }.max()! << 4
            let identifiers = found.filter { $0.identifier != 0 }.map {
                $0.identifier | (found.count > 1 && $0.options & 4 != 0 ? 1 << 31 : 0)
            }
            rows[session] = Row(session: session, options: options, identifiers: identifiers.sorted())
        }
        return rows.values.sorted()
    }
}
