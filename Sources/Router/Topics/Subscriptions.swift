// The subscriptions, each in two doubly linked lists: those of its node and those of its session. Of a shared one the
// group is in the list of the node, and the members are in those of their sessions.
//
// Called by TopicTree only. Everything lies in two arrays and is named by index. Fatal: an index out of range.

import EventLoop

/// What one session asked for at one node, or a group's entry there.
struct Subscription {
    /// Who it stands for.
    enum Kind: UInt8 {
        /// A session; in both lists.
        case session
        /// A group, `session` being its number; in the list of the node only, and not counted.
        case group
        /// A session as a member of a group; in the list of the session only.
        case member
    }

    var node: UInt32
    var session: UInt32
    /// As in the SUBSCRIBE packet: QoS in bits 0–1, No Local bit 2, Retain As Published bit 3, retain handling bits 4–5.
    var options: UInt8
    var kind = Kind.session
    /// 1 to 268,435,455, or 0 for none.
    var identifier: UInt32
    var nextOfNode = none
    var previousOfNode = none
    var nextOfSession = none
    var previousOfSession = none

    /// The number of a member's group.
    var group: UInt32 {
        get { nextOfNode }
        set { nextOfNode = newValue }
    }
    /// A member's index in its group.
    var index: UInt32 {
        get { previousOfNode }
        set { previousOfNode = newValue }
    }
}

/// What the tree keeps of a session.
struct SubscribedSession {
    /// One more than the number of the latest subscription: of zeros alone it is the state of a session without any.
    private var head: UInt32 = 0
    var first: UInt32 {
        get { head &- 1 }
        set { head = newValue &+ 1 }
    }
    var count: UInt32 = 0
    /// The session's row in the match that is being made, if `visit` is that match's number.
    var row: UInt32 = 0
    var visit: UInt64 = 0
}

/// A pool of subscriptions.
struct Subscriptions: ~Copyable {
    private(set) var pool = Table<Subscription>()
    /// By the session's number; grows to the highest that ever subscribed.
    var sessions = Table<SubscribedSession>()
    private var free = none
    private(set) var count = 0
    /// The members of groups among them.
    private(set) var sharedCount = 0

    @inline(__always)
    subscript(subscription: UInt32) -> Subscription { pool[Int(subscription)] }

    /// The subscription of `session` itself in the list of a node that begins with `head`, or `none`. Walks the node's
    /// list and the session's side by side, so that the cost is that of the shorter one.
    func find(node: UInt32, head: UInt32, session: UInt32) -> UInt32 {
        guard Int(session) < sessions.count else { return none }
        var (ofNode, ofSession) = (head, sessions[Int(session)].first)
        while ofNode != none, ofSession != none {
            let (one, other) = (pool[Int(ofNode)], pool[Int(ofSession)])
            if one.session == session, one.kind == .session { return ofNode }
            if other.node == node, other.kind == .session { return ofSession }
            ofNode = one.nextOfNode
            ofSession = other.nextOfSession
        }
        return none
    }

    /// Puts `subscription` first in the lists that its kind is in; that of its node so far began with `head`.
    mutating func insert(_ subscription: Subscription, head: UInt32) -> UInt32 {
        let number: UInt32
        if free != none {
            number = free
            free = pool[Int(number)].nextOfNode
            pool[Int(number)] = subscription
        } else {
            number = UInt32(pool.count)
            pool.append(subscription)
        }
        if subscription.kind != .member {
            pool[Int(number)].nextOfNode = head
            if head != none { pool[Int(head)].previousOfNode = number }
        }
        if subscription.kind != .group { insertIntoSession(number, Int(subscription.session)) }
        if subscription.kind == .member { sharedCount += 1 }
        return number
    }

    private mutating func insertIntoSession(_ number: UInt32, _ session: Int) {
        sessions.appendZeros(upTo: session + 1)
        let head = sessions[session].first
        pool[Int(number)].nextOfSession = head
        if head != none { pool[Int(head)].previousOfSession = number }
        sessions[session].first = number
        sessions[session].count += 1
        count += 1
    }

    mutating func replace(_ number: UInt32, options: UInt8, identifier: UInt32) {
        pool[Int(number)].options = options
        pool[Int(number)].identifier = identifier
    }

    /// Notes a member's new index in its group.
    mutating func setIndex(_ index: UInt32, of number: UInt32) { pool[Int(number)].index = index }

    /// Takes `number` out of its lists. Where it was its node's first, the caller gives the node the next.
    mutating func remove(_ number: UInt32) {
        let gone = pool[Int(number)]
        if gone.kind != .member {
            if gone.nextOfNode != none { pool[Int(gone.nextOfNode)].previousOfNode = gone.previousOfNode }
            if gone.previousOfNode != none { pool[Int(gone.previousOfNode)].nextOfNode = gone.nextOfNode }
        }
        if gone.kind != .group { removeFromSession(gone) }
        if gone.kind == .member { sharedCount -= 1 }
        pool[Int(number)].nextOfNode = free
        free = number
    }

    private mutating func removeFromSession(_ gone: Subscription) {
        if gone.nextOfSession != none { pool[Int(gone.nextOfSession)].previousOfSession = gone.previousOfSession }
        if gone.previousOfSession != none {
            pool[Int(gone.previousOfSession)].nextOfSession = gone.nextOfSession
        } else {
            sessions[Int(gone.session)].first = gone.nextOfSession
        }
        sessions[Int(gone.session)].count -= 1
        count -= 1
    }
}
