// Finds the receivers of a message.
//
// Called by the router for every PUBLISH. A topic that was matched before costs a hash and a comparison; any other a
// walk over the tree, level by level, over all nodes at once that match so far. Nothing here is fatal.

import EventLoop

extension TopicTree {
    /// The receivers of a message to `topic`, one row for each session and each group, valid until the next call that
    /// changes the tree or matches.
    @inline(__always)
    mutating func match(_ topic: Span<UInt8>) -> MatchRange {
        let hash = nodes.hasher.hash(topic)
        if let known = cache.find(topic, hash: hash) { return known }
        return walk(topic, hash: hash)
    }

    /// A row of the latest match.
    @inline(__always)
    subscript(row: Int) -> Recipient { cache.rows[row] }

    /// The identifier that `cursor` names and, as the new cursor, the next one; begin with `Recipient.identifiers`,
    /// end at nil. The top bit says that the identifier's subscription is No Local, where a row has several: it does
    /// not count for a message of the session's own.
    func identifier(after cursor: inout UInt32) -> UInt32? {
        guard cursor != 0 else { return nil }
        guard cursor & TopicTree.several != 0 else {
            defer { cursor = 0 }
            return cursor
        }
        let cell = cache.cells[Int(cursor & ~TopicTree.several)]
        cursor = cell.next
        return cell.identifier
    }

    private static var several: UInt32 { 1 << 31 }

    @inline(never)
    private mutating func walk(_ topic: Span<UInt8>, hash: UInt64) -> MatchRange {
        cache.prepare()
        walks += 1
        let firstRow = cache.rows.count
        frontier.removeAll(keepingCapacity: true)
        frontier.append(TopicNodes.root)
        // A wildcard at the first level does not match a topic that begins with `$` [MQTT-4.7.2-1].
        var wildcards = topic.count == 0 || topic[0] != UInt8(ascii: "$")
        var start = 0
        while !frontier.isEmpty {
            let level = nodes.hasher.level(of: topic, from: start)
            following.removeAll(keepingCapacity: true)
            for index in frontier.indices {
                let node = frontier[index]
                if wildcards {
                    collect(nodes[node].multi)
                    if nodes[node].plus != none { following.append(nodes[node].plus) }
                }
                let child = nodes.child(of: node, level, in: topic)
                if child != none { following.append(child) }
            }
            swap(&frontier, &following)
            wildcards = true
            start = level.end + 1
            if level.end == topic.count {
                for index in frontier.indices {
                    collect(frontier[index])
                    // "#" includes the level above it (specification, section 4.7.1.2).
                    collect(nodes[frontier[index]].multi)
                }
                break
            }
        }
        return cache.record(topic, hash: hash, from: firstRow)
    }

    /// Adds the subscriptions of `node` to the rows.
    private mutating func collect(_ node: UInt32) {
        guard node != none else { return }
        var number = nodes[node].content
        while number != none {
            let subscription = subscriptions[number]
            number = subscription.nextOfNode
            if subscription.kind == .group {
                cache.rows.append(
                    Recipient(session: subscription.session, options: Recipient.group, identifiers: 0))
                continue
            }
            let session = Int(subscription.session)
            let qos = subscription.options & 0b11
            let isNoLocal = subscription.options & 0b100 != 0
            let options = subscription.options & 0b1111 | (isNoLocal ? 0 : qos << 4)
            if subscriptions.sessions[session].visit == walks {
                merge(
                    subscription, options: options,
                    into: Int(subscriptions.sessions[session].row))
            } else {
                subscriptions.sessions[session].visit = walks
                subscriptions.sessions[session].row = UInt32(cache.rows.count)
                cache.rows.append(
                    Recipient(session: subscription.session, options: options, identifiers: subscription.identifier))
            }
        }
    }

    /// Takes another subscription of the same session into its row.
    private mutating func merge(_ subscription: Subscription, options: UInt8, into row: Int) {
        let old = cache.rows[row]
        let qos = max(old.qos, options & 0b11)
        let ownQoS = max(old.ownQoS, options >> 4)
        let isNoLocal = old.options & options & 0b100
        cache.rows[row].options = ownQoS << 4 | (old.options | options) & 0b1000 | isNoLocal | qos
        // All identifiers go with the message [MQTT-3.3.4-4].
        var chain = old.identifiers
        if chain != 0, chain & TopicTree.several == 0 {
            chain = add(chain, isNoLocal: old.isNoLocal, before: 0)
        }
        if subscription.identifier != 0 {
            chain = add(subscription.identifier, isNoLocal: options & 0b100 != 0, before: chain)
        }
        cache.rows[row].identifiers = chain
    }

    /// A chain of identifiers that begins with `identifier`.
    private mutating func add(_ identifier: UInt32, isNoLocal: Bool, before next: UInt32) -> UInt32 {
        cache.cells.append(
            IdentifierCell(identifier: identifier | (isNoLocal ? TopicTree.several : 0), next: next))
        return TopicTree.several | UInt32(cache.cells.count - 1)
    }
}
