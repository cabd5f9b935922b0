// Shared subscriptions: sessions that join and leave a group, and the group's members for who routes a message.
//
// `TopicTree.subscribe`, `unsubscribe` and `removeAll` come here with a filter that begins with `$share/`; the router
// asks for members with the number from a row of a match, or from a queue, where it may have outlived its group. At
// the filter's node a group is one entry beside those of sessions, so that who joins or leaves a group that stays
// changes no row. Nothing here is fatal but a member's index that is out of range.

import EventLoop
import MQTT
import Messages

extension TopicTree {
    /// Whether the group still exists.
    func isGroup(_ number: UInt32) -> Bool { groups.contains(number) }

    /// The members of a group: at least one, or 0 if it is gone.
    @inline(__always)
    func memberCount(ofGroup number: UInt32) -> Int { groups.memberCount(number) }

    /// The member at `index`, below `memberCount(ofGroup:)`, as the row of a session. Indices hold until someone
    /// leaves the group.
    @inline(__always)
    func member(_ index: Int, ofGroup number: UInt32) -> Recipient { row(groups.member(index, of: number)) }

    /// The member whose turn it is, as the row of a session; the turn goes to the one after it. Nil: the group is gone.
    /// As many calls as there are members bring everyone's turn once.
    @inline(__always)
    mutating func nextMember(ofGroup number: UInt32) -> Recipient? {
        groups.contains(number) ? row(groups.takeTurn(number)) : nil
    }

    /// The share name. Nil: the group is gone.
    func shareName(ofGroup number: UInt32) -> [UInt8]? { groups.name(number) }

    @inline(__always)
    private func row(_ member: UInt32) -> Recipient {
        let subscription = subscriptions[member]
        // Shared subscriptions are never No Local [MQTT-3.8.3-4].
        let (options, qos) = (subscription.options & 0b1011, subscription.options & 0b11)
        return Recipient(
            session: subscription.session, options: options | qos << 4, identifiers: subscription.identifier)
    }

    /// The share name of a shared subscription, and the range of its filter. Nil: an ordinary filter, or one that only
    /// MQTT 5 reads as shared and would refuse.
    func shared(_ filter: Span<UInt8>) -> (name: [UInt8], filter: Range<Int>)? {
        guard filter.count > 0, filter[0] == UInt8(ascii: "$"), let parts = try? SharedFilter(filter) else {
            return nil
        }
        return (filter.extracting(parts.group).raw.array, parts.filter)
    }

    /// `subscribe(_:session:options:identifier:)` for a shared subscription.
    mutating func join(
        _ name: [UInt8], _ filter: Span<UInt8>, session: UInt32, options: UInt8, identifier: UInt32
    ) throws(SubscriptionRefused) -> Bool {
        var node = find(filter)
        var group = node == none ? none : groups.find(name, node: node)
        let known = group == none ? none : member(session, of: group)
        if known != none {
            subscriptions.replace(known, options: options, identifier: identifier)
            return true
        }
        try checkLimits(session)
        if node == none { node = try make(filter) }
        if group == none {
            group = groups.draw()
            let entry = subscriptions.insert(
                Subscription(node: node, session: group, options: 0, kind: .group, identifier: 0),
                head: nodes[node].content)
            nodes.setContent(entry, of: node)
            groups.open(group, name, node: node, entry: entry)
            spoil(filter)
        }
        var subscription = Subscription(
            node: node, session: session, options: options, kind: .member, identifier: identifier)
        subscription.group = group
        let member = subscriptions.insert(subscription, head: none)
        subscriptions.setIndex(groups.join(group, member), of: member)
        return false
    }

    /// `unsubscribe(_:session:)` for a shared subscription.
    mutating func leave(_ name: [UInt8], _ filter: Span<UInt8>, session: UInt32) -> Bool {
        let node = find(filter)
        let group = node == none ? none : groups.find(name, node: node)
        let known = group == none ? none : member(session, of: group)
        guard known != none else { return false }
        if removeMember(known) { spoil(filter) }
        return true
    }

    /// Removes a subscription from its group and returns whether the group ended.
    mutating func removeMember(_ number: UInt32) -> Bool {
        let gone = subscriptions[number]
        subscriptions.remove(number)
        groups.leave(gone.group, index: Int(gone.index)) { subscriptions.setIndex($1, of: $0) }
        guard groups.memberCount(gone.group) == 0 else { return false }
        let entry = groups.entry(gone.group)
        groups.close(gone.group, node: gone.node)
        removeEntry(entry)
        return true
    }

    /// The subscription of `session` in an existing group, or `none`. Goes over the group's members and the session's
    /// subscriptions side by side, so that the cost is that of the shorter ones.
    private func member(_ session: UInt32, of group: UInt32) -> UInt32 {
        guard Int(session) < subscriptions.sessions.count else { return none }
        var ofSession = subscriptions.sessions[Int(session)].first
        for index in 0..<groups.memberCount(group) {
            let member = groups.member(index, of: group)
            if subscriptions[member].session == session { return member }
            guard ofSession != none else { return none }
            let subscription = subscriptions[ofSession]
            if subscription.kind == .member, subscription.group == group { return ofSession }
            ofSession = subscription.nextOfSession
        }
        return none
    }

    /// Puts `$share/` and the share name before the filter of a member.
    func prefix(_ filter: inout [UInt8], of member: Subscription) {
        let name = groups.name(member.group) ?? []
        filter.insert(contentsOf: Array("$share/".utf8) + name + [UInt8(ascii: "/")], at: 0)
    }
}
