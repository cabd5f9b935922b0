// The router: one thread that owns sessions, subscriptions and retained messages. Its verbs are in the files beside
// this one; `Run.swift` is the turn that calls them.
//
// It consumes the streams of its listeners and answers each with batches. It never waits for a listener: what a session
// can not take now goes to the session's queue, and from there by the queue's policy.

import Channel
import EventLoop
import Messages

/// The routing worker. One value, held by `main` for as long as the process lives.
package struct Router: ~Copyable {
    var welcome: Welcome
    var settings: RouterSettings
    var control: ControlChannel
    var poller: Poller

    /// The listeners; the index is the descriptor's tag. A gap has no descriptor.
    var links: [ListenerLink] = []
    /// Sessions by number; free ones are in `freeSessions`.
    var sessions: [Session] = []
    var freeSessions: [UInt32] = []
    /// The session of a client identifier.
    var clients: [[UInt8]: UInt32] = [:]
    var wills: [UInt32: ConnectFrame.Will] = [:]
    var tree: TopicTree
    var retained: RetainedSet
    var queues = QueueStore()
    /// Retained messages that new subscriptions still have to get.
    var replays = RetainedReplays()
    /// The first of the links on which the message being routed has an open Deliver frame, each naming the next; -1: none.
    var openDelivery = -1
    /// Sessions that the message being routed was one too many for.
    var condemned: [Int] = []

    var counters = InlineArray<11, UInt64>(repeating: 0)
    var seconds = UInt32(truncatingIfNeeded: monotonicMilliseconds() / 1000)
    var sessionCount = 0
    var isStopped = false

    init(welcome: Welcome, settings: RouterSettings, control: consuming ControlChannel) throws(SystemError) {
        let poller = try Poller(eventsPerTurn: 128)
        try poller.add(control.descriptor, .readable, tag: Tag.control)
        self.welcome = welcome
        self.settings = settings
        self.control = control
        self.poller = poller
        tree = TopicTree(limits: Self.treeLimits(settings))
        retained = RetainedSet(limits: Self.retainedLimits(settings))
    }

    @inline(__always)
    mutating func count(_ counter: RouterCounter, by amount: Int = 1) {
        counters[counter.rawValue] &+= UInt64(truncatingIfNeeded: amount)
    }

    static func treeLimits(_ settings: RouterSettings) -> TopicTree.Limits {
        var limits = TopicTree.Limits()
        limits.subscriptionsOfSession = Int(settings.subscriptions)
        limits.levels = 65_536
        return limits
    }

    static func retainedLimits(_ settings: RouterSettings) -> RetainedSet.Limits {
        var limits = RetainedSet.Limits()
        limits.messages = Int(settings.retainedMessages)
        limits.bytes = Int(settings.retainedBytes)
        return limits
    }
}

/// The tags of descriptors that are not links.
enum Tag {
    static var control: UInt64 { UInt64.max }
}
