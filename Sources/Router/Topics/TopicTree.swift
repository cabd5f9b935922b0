// Who has subscribed to what: the tree of topic filters.
//
// Called by the router for every SUBSCRIBE, UNSUBSCRIBE and ended session; TopicTree+Match.swift has what it calls for
// every message, TopicTree+Groups.swift what is different for shared subscriptions. Filters come checked by the codec [MQTT-4.7.1-1] [MQTT-4.7.1-2]; one that is not can do no harm, it
// only matches nothing. Session numbers are the router's and should be dense, since the tree keeps an array of them.
// Nothing here is fatal but a subscription's number that is out of range.

import EventLoop
import Messages

/// Why a subscription was not made.
enum SubscriptionRefused: Error, Equatable {
    /// The filter has more levels than `TopicTree.Limits.levels`.
    case tooManyLevels
    /// The session has `TopicTree.Limits.subscriptionsOfSession` already.
    case tooManyOfSession
    /// There are `TopicTree.Limits.subscriptions` already.
    case tooMany
}

/// The subscriptions of all sessions, found by topic.
struct TopicTree: ~Copyable {
    struct Limits {
        var subscriptions = 10_000_000
        var subscriptionsOfSession = 100_000
        /// Levels of a filter, `$share/` and the share name not counted.
        var levels = 128
        var cache = MatchCache.Limits()
    }

    /// May change; what exceeds new limits stays.
    var limits: Limits
    var nodes: TopicNodes
    var subscriptions = Subscriptions()
    var groups: SubscriptionGroups
    var cache: MatchCache
    /// Whether it is noted which filters change, and those that have.
    var isWatched = false
    var changed: Set<[UInt8]> = []
    /// Matches that were not found in the cache.
    var walks: UInt64 = 0
    /// The nodes that match the levels so far, and those that match one more; kept for their capacity.
    var frontier: [UInt32] = []
    var following: [UInt32] = []

    /// - Parameters:
    ///   - seed: of the hashes.
    ///   - firstGroup: the number of the first group.
    init(limits: Limits = Limits(), seed: UInt64 = .random(in: .min ... .max), firstGroup: UInt32 = 0) {
        self.limits = limits
        nodes = TopicNodes(hasher: TopicHasher(seed: seed))
        cache = MatchCache(limits: limits.cache)
        groups = SubscriptionGroups(first: firstGroup)
    }

    /// Subscriptions of all sessions, shared ones included.
    var count: Int { subscriptions.count }
    /// The shared ones among them.
    var sharedCount: Int { subscriptions.sharedCount }

    /// Subscriptions of one session, shared ones included.
    func count(session: UInt32) -> Int {
        Int(session) < subscriptions.sessions.count ? Int(subscriptions.sessions[Int(session)].count) : 0
    }

    /// Adds a subscription, or replaces the one that `session` has with the same filter [MQTT-3.8.4-3]. Returns
    /// whether it had one, which retain handling 1 asks. `$share/group/filter` makes the session a member of a group,
    /// the first one the group with it (MQTT 5 §4.8.2).
    mutating func subscribe(
        _ filter: Span<UInt8>, session: UInt32, options: UInt8, identifier: UInt32
    ) throws(SubscriptionRefused) -> Bool {
        if let shared = shared(filter) {
            return try join(
                shared.name, filter.extracting(shared.filter), session: session, options: options,
                identifier: identifier)
        }
        var node = find(filter)
        if node != none {
            let known = subscriptions.find(node: node, head: nodes[node].content, session: session)
            if known != none {
                let old = subscriptions[known]
                subscriptions.replace(known, options: options, identifier: identifier)
                if old.options & 0x0F != options & 0x0F || old.identifier != identifier { spoil(filter) }
                return true
            }
        }
        try checkLimits(session)
        if node == none { node = try make(filter) }
        let head = subscriptions.insert(
            Subscription(node: node, session: session, options: options, identifier: identifier),
            head: nodes[node].content)
        nodes.setContent(head, of: node)
        spoil(filter)
        return false
    }

    /// Refuses one more subscription of `session` where there are too many.
    func checkLimits(_ session: UInt32) throws(SubscriptionRefused) {
        guard count < limits.subscriptions else { throw .tooMany }
        guard count(session: session) < limits.subscriptionsOfSession else { throw .tooManyOfSession }
    }

    /// Removes a subscription [MQTT-3.10.4-1] and returns whether there was one. The last member of a group ends it.
    mutating func unsubscribe(_ filter: Span<UInt8>, session: UInt32) -> Bool {
        if let shared = shared(filter) {
            return leave(shared.name, filter.extracting(shared.filter), session: session)
        }
        let node = find(filter)
        guard node != none else { return false }
        let known = subscriptions.find(node: node, head: nodes[node].content, session: session)
        guard known != none else { return false }
        removeEntry(known)
        spoil(filter)
        return true
    }

    /// Removes all subscriptions of `session`, at a cost in proportion to their number.
    mutating func removeAll(session: UInt32) {
        guard Int(session) < subscriptions.sessions.count else { return }
        var filter: [UInt8] = []
        while true {
            let first = subscriptions.sessions[Int(session)].first
            guard first != none else { return }
            let isWildcard = nodes.spell(subscriptions[first].node, into: &filter)
            if isWatched { changed.insert(filter) }
            if subscriptions[first].kind == .member {
                guard removeMember(first) else { continue }
            } else {
                removeEntry(first)
            }
            if isWildcard {
                cache.spoilAll()
            } else {
                cache.spoil(filter.span, hash: nodes.hasher.hash(filter.span))
            }
        }
    }

    /// Calls `body` with filter, options and identifier of each subscription of `session`, the latest first.
    func forEachSubscription(session: UInt32, _ body: (Span<UInt8>, UInt8, UInt32) -> Void) {
        guard Int(session) < subscriptions.sessions.count else { return }
        var filter: [UInt8] = []
        var number = subscriptions.sessions[Int(session)].first
        while number != none {
            let subscription = subscriptions[number]
            _ = nodes.spell(subscription.node, into: &filter)
            if subscription.kind == .member { prefix(&filter, of: subscription) }
            body(filter.span, subscription.options, subscription.identifier)
            number = subscription.nextOfSession
        }
    }

    /// Removes what is in the list of a node: the subscription of a session itself, or a group's entry.
    mutating func removeEntry(_ number: UInt32) {
        let node = subscriptions[number].node
        if nodes[node].content == number { nodes.setContent(subscriptions[number].nextOfNode, of: node) }
        subscriptions.remove(number)
        nodes.release(node)
    }

    /// The node of `filter`, or `none`.
    func find(_ filter: Span<UInt8>) -> UInt32 {
        var (node, start) = (TopicNodes.root, 0)
        while node != none {
            let level = nodes.hasher.level(of: filter, from: start)
            node = nodes.child(of: node, level, in: filter)
            if level.end == filter.count { break }
            start = level.end + 1
        }
        return node
    }

    /// The node of `filter`, made with its ancestors where there is none.
    mutating func make(_ filter: Span<UInt8>) throws(SubscriptionRefused) -> UInt32 {
        var levels = 1
        for index in filter.indices where filter[index] == UInt8(ascii: "/") { levels += 1 }
        guard levels <= limits.levels else { throw .tooManyLevels }
        var (node, start) = (TopicNodes.root, 0)
        while true {
            let level = nodes.hasher.level(of: filter, from: start)
            node = nodes.makeChild(of: node, level, in: filter)
            if level.end == filter.count { return node }
            start = level.end + 1
        }
    }

    /// Makes the cache forget what a change at `filter` touches: without wildcards, one topic.
    mutating func spoil(_ filter: Span<UInt8>) {
        if isWatched { changed.insert(filter.raw.array) }
        for index in filter.indices where filter[index] == UInt8(ascii: "+") || filter[index] == UInt8(ascii: "#") {
            return cache.spoilAll()
        }
        cache.spoil(filter, hash: nodes.hasher.hash(filter))
    }
}
