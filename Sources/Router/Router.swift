// The router: one thread that owns sessions, subscriptions and retained messages. Its verbs are in the files beside
// this one; `Run.swift` is the turn that calls them.
//
// It consumes the streams of its listeners and answers each with batches. It never waits for a listener: what a session
// can not take now goes to the session's queue, and from there by the queue's policy.

import Channel
import EventLoop
import Messages
import Store

/// The routing worker. One value, held by `main` for as long as the process lives.
package struct Router: ~Copyable {
    var welcome: Welcome
    var settings: RouterSettings
    var control: ControlChannel
    var poller: Poller

    /// The listeners; the index is the descriptor's tag. A gap has no descriptor.
    var links = Table<ListenerLink>()
    /// Sessions by number; free ones are in `freeSessions`.
    var sessions = Table<Session>()
    var freeSessions: [UInt32] = []
    /// What those have in addition that outlive their connections.
    var durables = Durables()
    var clients = ClientTable()
    var wills: [UInt32: ConnectFrame.Will] = [:]
    /// When wills are to be published whose connections are over, in seconds of the store's clock.
    var delayedWills: [UInt32: UInt32] = [:]
    var tree: TopicTree
    var retained: RetainedSet
    var queues = QueueStore()
    /// What waits for connected clients whose sessions end with their connections.
    var backlogs = Backlogs(own: wallNanoseconds())
    /// The link whose frame is being handled; -1: none is.
    var current = -1
    /// Retained messages that new subscriptions still have to get.
    var replays = RetainedReplays()
    /// The hash of the topic whose retained message is put into a queue; 0: none is.
    var givingRetained: UInt64 = 0
    /// The first of the links on which the message being routed has an open Deliver frame, each naming the next; -1: none.
    var openDelivery = -1
    /// Sessions that the message being routed was one too many for.
    var condemned: [Int] = []
    /// Sessions that have lost messages since that was last said, and the second in which it was.
    var droppers: [UInt32] = []
    var loggedDroppedAt: UInt32 = 0
    /// Whose message is being routed; where it is kept, once somebody needs that; for whom it goes to the store only.
    var publication = Publication()
    var routed = noEntry
    var spills: [Spill] = []
    /// Its entries in memory that are written at once.
    var unlingering: [UInt32] = []
    /// Acknowledgements that publishers do not get yet.
    var pendings = PendingAcknowledgements()

    var store: Store
    /// Acknowledgements follow the disk.
    let waitsForDisk: Bool
    /// The changes of this turn.
    var log = ChangeLog()
    var commits = Commits()
    /// Messages that are written only if they are still there in a moment.
    var lingering = LingeringRing()
    /// The next number of a message that several sessions share in the store.
    var nextStoredMessage: UInt64
    /// Sessions whose next page was not on disk yet when it was asked for.
    var readers: [UInt32] = []
    /// Nothing that would have to be stored is taken.
    var isStoreFull = false
    /// The last transaction failed.
    var isStoreFailing = false
    /// The store is behind: listeners are not read.
    var isHeld = false
    /// Milliseconds of the router's clock before which the store is given nothing, because it failed.
    var retryAt: UInt64 = 0
    /// Milliseconds of the router's clock at which changes were last handed over.
    var submittedAt: UInt64 = 0
    var isLoadingRetained = false
    /// A piece of them that has come, and is still to be loaded.
    var retainedPage: RetainedPage?
    /// Milliseconds of the router's clock at which a piece of the store was last loaded.
    var loadedAt: UInt64 = 0
    /// Topics whose retained message was met when its time was over.
    var expiredRetained: [[UInt8]] = []
    /// Topics whose retained message has changed while those of the store are loaded.
    var retainedSinceStart: Set<[UInt8]> = []

    var counters = InlineArray<29, UInt64>(repeating: 0)
    var milliseconds = monotonicMilliseconds()
    var seconds = UInt32(truncatingIfNeeded: monotonicMilliseconds() / 1000)
    /// The store's clock, and its seconds in this turn.
    var clock: ExpiryClock
    var reading: ClockReading
    var now: UInt32
    /// Where looking for sessions whose time is up has come to, and the second that it was begun in.
    var sweeping = 0
    /// Where looking for cleared topics has come to.
    var nextCleared: UInt32 = 0
    var sweptAt: UInt32 = 0
    var sessionCount = 0
    /// Sessions that the store has and nobody has needed yet.
    var sleepers = Sleepers()
    /// What is being handled anew, for the next router.
    let ledger: ReplayLedger
    /// The bridge's session; -1: there is none.
    var bridge = -1
    /// What it knows of clients' subscriptions.
    var interests = Interests()
    /// What the other brokers of a cluster do not know of this one's clients, and what is found out of what they retain.
    var claims = Claims()
    var sync = RetainedSync()
    /// What they have retained, while it is not known what this one has.
    var postponedItems: [RetainedItem] = []
    /// The number of the last message for it, and what has come from other brokers.
    var lastIdentity = UInt64.random(in: 0 ... .max)
    var seen = Seen()
    var connectionCount = 0
    var mostConnections = 0
    /// The sums of the listeners' counters, as the supervisor last told them.
    var listenerTotals: [UInt64] = []
    /// What was last published under `$SYS`, and the milliseconds at which it is looked at next.
    var systemValues: [String: [UInt8]] = [:]
    var systemTopicsAt: UInt64 = 0
    var load = LoadAverages()
    /// Bytes of memory when that was last looked at, and the most of them.
    var memory: UInt64 = 0
    var mostMemory: UInt64 = 0
    let startedAt = UInt32(truncatingIfNeeded: monotonicMilliseconds() / 1000)
    var isStopped = false

    /// Channels that there have been.
    var serials: UInt32 = 0
    /// The cut that frames are released by next.
    var releaseCut = Cut()
    /// Bytes of a stream that are handled and not released, of the listener with the most.
    var unreleased: UInt64 = 0
    /// Milliseconds of the router's clock at which listeners were last told of releases for their own sake.
    var toldReleasesAt: UInt64 = 0

    /// The listeners that there are at the start have not all been heard, and nobody is served.
    var isStarting = true
    /// Milliseconds of the router's clock after which they are not waited for any more.
    var startsAt: UInt64
    /// The frame of a former router's that is being handled anew.
    var replay = Replay()
    /// By place: how far the stream of a listener is in the store, or was handed to it.
    var storedMarks: [UInt32: UInt64] = [:]
    /// The supervisor, and when it was looked for last.
    var guardian = Guardian()
    var guardedAt: UInt64 = 0
    /// Durable sessions of which it is being found out what their clients have.
    var resumptions: [UInt32: Resumption] = [:]
    /// Those of them whose messages are being read from the store.
    var resumptionReads = 0
    /// By link and slot: connections that others had taken over, with their generations and sessions.
    var replaced: [UInt64: (generation: UInt32, session: UInt32)] = [:]
    /// Sessions whose clients may acknowledge what is not known.
    var haunted: [UInt32: Haunting] = [:]

    init(
        welcome: Welcome, settings: RouterSettings, control: consuming ControlChannel, store: consuming Store
    ) throws(SystemError) {
        let poller = try Poller(eventsPerTurn: 128)
        try poller.add(control.descriptor, .readable, tag: Tag.control)
        try poller.add(store.descriptor, .readable, tag: Tag.store)
        let reading = ClockReading.current()
        clock = ExpiryClock(saved: store.savedClock, reading: reading)
        now = UInt32(clamping: clock.now(reading))
        self.reading = reading
        nextStoredMessage = store.lastMessage + 1
        waitsForDisk = settings.durability == .commit
        ledger = ReplayLedger("\(settings.stateDirectory)/router.replay")
        self.store = store
        self.welcome = welcome
        self.settings = settings
        self.control = control
        self.poller = poller
        startsAt = monotonicMilliseconds() + Self.patienceAtStart
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
        limits.levels = Int(settings.topicLevels)
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
    static var store: UInt64 { UInt64.max - 1 }
}
