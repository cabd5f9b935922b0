// Finds the retained messages under a filter, a part at a time.
//
// Called by the router for new subscriptions. The search goes depth first through the levels that match, from node to
// node without a stack: the tree gives parent and sibling, the filter the level. Between two parts only the node where
// the search rests is pinned, which keeps its ancestors and its place among its siblings; new siblings come before it,
// so that whatever the tree has gone through meanwhile, what did not change is found once. Nothing here is fatal.

import EventLoop

extension RetainedSet {
    /// How far a search has come. One that is not finished must be ended, or the node where it rests is kept for ever.
    struct Cursor {
        /// What comes next at `node`.
        fileprivate enum Step { case descend, leave, finished }

        fileprivate var step = Step.descend
        fileprivate var node = TopicNodes.root
        fileprivate var pinned = none
        /// Where the level of the filter begins that the children of `node` are to match; beyond the filter's length
        /// where `node` matches all of it.
        fileprivate var start = 0
        /// Levels by which `node` is below the one at which the filter's `#` stands.
        fileprivate var depth = 0
    }

    /// What a part of a search comes to.
    enum Finding: Equatable {
        case message(UInt32)
        /// The budget was spent before anything was found.
        case nothingYet
        case finished
    }

    /// Looks for the next message under `filter`, which is the same in all calls with one cursor.
    ///
    /// - Parameter budget: the steps that the search may take, less those that it took: one a node, more where a level
    ///   of the filter is long.
    mutating func next(_ cursor: inout Cursor, filter: Span<UInt8>, budget: inout Int) -> Finding {
        var finding = Finding.nothingYet
        while finding == .nothingYet, budget > 0 {
            budget -= 1
            switch cursor.step {
            case .descend: finding = descend(&cursor, filter, &budget)
            case .leave: finding = leave(&cursor, filter, &budget)
            case .finished: finding = .finished
            }
        }
        rest(&cursor, at: cursor.step == .finished ? none : cursor.node)
        return finding
    }

    /// The message at which the search rests, as it is now, or `none`.
    func current(_ cursor: Cursor) -> UInt32 { message(at: cursor.node) }

    private func message(at node: UInt32) -> UInt32 {
        let content = nodes[node].content
        return content == none || self[content].isCleared ? none : content
    }

    /// Ends a search that is not finished.
    mutating func end(_ cursor: inout Cursor) {
        cursor.step = .finished
        cursor.node = TopicNodes.root
        rest(&cursor, at: none)
    }

    private mutating func rest(_ cursor: inout Cursor, at node: UInt32) {
        guard node != cursor.pinned else { return }
        if node != none { nodes.pin(node) }
        if cursor.pinned != none { nodes.unpin(cursor.pinned) }
        cursor.pinned = node
    }

    /// Goes to the first child that matches.
    private func descend(_ cursor: inout Cursor, _ filter: Span<UInt8>, _ budget: inout Int) -> Finding {
        cursor.step = .leave
        guard cursor.start <= filter.count else { return .nothingYet }
        let level = nodes.hasher.level(of: filter, from: cursor.start)
        budget -= Int(level.name.length) / 64
        let isWildcard = level.isPlus || level.isMulti
        let child = isWildcard ? nodes[cursor.node].firstChild : nodes.child(of: cursor.node, level, in: filter)
        guard child != none else { return .nothingYet }
        if level.isMulti {
            cursor.depth += 1
        } else {
            cursor.start = level.end + 1
        }
        return enter(child, &cursor, filter, byWildcard: isWildcard)
    }

    /// Goes to the next sibling that matches, or else back to the parent.
    private func leave(_ cursor: inout Cursor, _ filter: Span<UInt8>, _ budget: inout Int) -> Finding {
        let (node, parent) = (cursor.node, nodes[cursor.node].parent)
        guard node != TopicNodes.root else {
            cursor.step = .finished
            return .finished
        }
        var former = cursor.start
        if cursor.depth == 0 {
            // The level that the node matched ends before `start`, at a slash or the filter's end.
            former -= 1
            while former > 0, filter[former - 1] != UInt8(ascii: "/") { former -= 1 }
            budget -= (cursor.start - former) / 64
        }
        let isPlus = cursor.start - former == 2 && filter[former] == UInt8(ascii: "+")
        if cursor.depth > 0 || isPlus {
            let sibling = nodes[node].next
            if sibling != none { return enter(sibling, &cursor, filter, byWildcard: true) }
        }
        cursor.depth = max(0, cursor.depth - 1)
        cursor.start = former
        cursor.node = parent
        return .nothingYet
    }

    private func enter(
        _ node: UInt32, _ cursor: inout Cursor, _ filter: Span<UInt8>, byWildcard: Bool
    ) -> Finding {
        cursor.node = node
        // At the first level a wildcard does not stand for what begins with `$` [MQTT-4.7.2-1].
        guard !byWildcard || nodes[node].parent != TopicNodes.root || !nodes[node].name.isReserved else {
            cursor.step = .leave
            return .nothingYet
        }
        cursor.step = .descend
        let start = cursor.start
        // "#" includes the level above it (specification, section 4.7.1.2).
        let isMatch = start > filter.count || (start == filter.count - 1 && filter[start] == UInt8(ascii: "#"))
        guard isMatch, message(at: node) != none else { return .nothingYet }
        return .message(nodes[node].content)
    }
}
