// A place in the process tree and the worker that holds it. Places last as long as the configuration has them; workers
// come and go. Plain records: the verbs are in the other files.

internal import Channel
internal import Configuration
internal import Glibc
internal import Messages

/// Where a worker belongs: the router's place, or the n-th worker of a listener.
final class Place {
    enum State {
        /// Nothing was started here yet.
        case empty
        case held(by: Worker)
        /// The worker died; another one starts when the back-off is over.
        case waiting
        /// No worker is started here any more.
        case givenUp
    }

    let role: Role
    /// What the worker is called: `mqtt`, `mqtt/2`, `router`.
    let name: String
    /// The listener in the configuration that it serves, nil for other roles.
    let listener: String?
    var state = State.empty
    var backoff = Backoff()
    /// Counts the processes that have held it.
    var generation: UInt32 = 0
    /// Of them, those in a row that died before they were ready.
    var failedStarts = 0
    /// Whether the configuration no longer has it: its worker is not replaced.
    var isRetired = false

    init(role: Role, name: String, listener: String? = nil) {
        self.role = role
        self.name = name
        self.listener = listener
    }

    var worker: Worker? {
        guard case .held(let worker) = state else { return nil }
        return worker
    }

    /// The name in logs: `router`, `listener/mqtt`.
    var label: String { listener == nil ? name : "\(role.name)/\(name)" }
}

/// One worker process.
final class Worker {
    enum Phase {
        case starting
        case ready
        /// It was told to stop.
        case stopping
        /// It was killed, or its control channel has ended: what it says means nothing any more.
        case ending
    }

    /// Unique among all workers that this supervisor has started.
    let number: UInt32
    let generation: UInt32
    unowned let place: Place
    let process: pid_t
    var channel: ControlChannel
    var phase = Phase.starting
    let started: UInt64
    var readySince: UInt64?
    /// When it was killed.
    var killed: UInt64?
    /// Whether the poller watches its channel for room to write.
    var awaitsRoom = false
    var heartbeat: Heartbeat
    /// As last reported, in the order of its role's table.
    var counters: [UInt64] = []
    /// The last settings that it was sent.
    var settings: [UInt8] = []

    /// What outlives a listener: its connections and its arena (-1: it has none).
    var slots: SlotTable
    let arena: Int32

    init(
        number: UInt32, place: Place, process: pid_t, channel: consuming ControlChannel, heartbeat: Heartbeat,
        slots: SlotTable, arena: Int32, now: UInt64
    ) {
        self.number = number
        generation = place.generation
        self.place = place
        self.process = process
        self.channel = channel
        self.heartbeat = heartbeat
        self.slots = slots
        self.arena = arena
        started = now
    }

    deinit {
        if arena >= 0 { close(arena) }
    }
}

/// The channel between two workers: the supervisor's duplicates of both ends, so that it outlives both.
struct Wire {
    let listener: UInt32
    let router: UInt32
    let listenerEnd: Int32
    let routerEnd: Int32

    func joins(_ worker: UInt32) -> Bool { listener == worker || router == worker }

    func peer(of worker: UInt32) -> UInt32 { listener == worker ? router : listener }
}
