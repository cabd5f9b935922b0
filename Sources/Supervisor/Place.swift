// A place in the process tree and the worker that holds it. Places last as long as the configuration has them; workers
// come and go. Plain records: the verbs are in the other files.

internal import Channel
internal import Configuration
internal import Glibc
internal import Journal
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

    /// How the connections of a place came to be without a process that serves them.
    enum Past {
        /// Nobody has served yet.
        case none
        /// A process serves, or did until it retired in order.
        case inOrder
        /// The process that served has died.
        case died
    }

    /// Names the place on channels, whichever process holds it.
    let number: UInt32
    let role: Role
    /// What the worker is called: `mqtt`, `mqtt/2`, `router`.
    let name: String
    /// The listener in the configuration that it serves, nil for other roles.
    let listener: String?
    var state = State.empty
    var backoff = Backoff()
    /// Counts the processes that have held it.
    var generation: UInt32 = 0
    /// Of them, those that have served.
    var served = 0
    /// Of them, those in a row that died before they were ready.
    var failedStarts = 0
    /// Whether the configuration no longer has it: its worker is not replaced.
    var isRetired = false

    /// What outlives the processes of a listener: its connections, and its arena.
    var slots = SlotTable(capacity: 0)
    var arena: (descriptor: Int32, byteCount: UInt64)?
    var past = Past.none
    /// The listener's end of a channel whose router is gone, which may hold what that has said.
    var remains: Wire?
    /// The process that goes on when the one that holds the place has ended.
    var successor: Worker?
    /// The router was asked how far the streams have gone.
    var isAsking = false
    /// The router holds the channel until it is told to go on.
    var isChannelHeld = false
    /// Whether the successor that is being prepared is to serve as soon as it is.
    var isReplacing = false
    var standbyBackoff = Backoff()
    /// Before this no standby is started.
    var standbyAt: UInt64 = 0
    /// What keeps it from its work, in its own words; empty: nothing. The bridge and auth say so.
    var problem = ""
    /// Operators that wait for a replacement, by their numbers.
    var askers: [UInt32] = []

    init(number: UInt32, role: Role, name: String, listener: String? = nil) {
        self.number = number
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

    /// What all log entries say that are about the place, or about the last process that was started there.
    var fields: KeyValuePairs<Field, String> {
        [.worker: label, .listener: listener ?? "", .generation: "\(generation)"]
    }
}

/// One worker process.
final class Worker {
    enum Phase {
        case starting
        /// It could serve, and waits for the word.
        case prepared
        case ready
        /// It serves, and a new supervisor does not know yet what.
        case adopting
        /// It was told that another one goes on.
        case retiring
        /// It was told to stop.
        case stopping
        /// It was killed, or its control channel has ended: what it says means nothing any more.
        case ending
    }

    /// Unique among all workers that this supervisor has started.
    let number: UInt32
    let generation: UInt32
    let place: Place
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
    /// What it runs; nil until it has said so.
    var program: Program?
    /// As last reported, in the order of its role's table.
    var counters: [UInt64] = []
    /// The last settings that it was sent.
    var settings: [UInt8] = []
    /// The connections below this slot were sent to it; `Int.max`: all, and new ones at once.
    var fed = 0
    /// A router: since when it waits for listeners.
    var gatheringSince: UInt64?
    /// When it was told to serve.
    var told: UInt64?
    var hasTakenOver: Bool { told != nil }
    /// Names the process, whoever has its number later, and tells its end.
    let processDescriptor: Int32
    /// Whether this supervisor has started it, and so learns how it ends.
    let isChild: Bool
    /// What it answered to a former supervisor ends with the answer to this Ping; 0: there is nothing of the kind.
    var fence: UInt64 = 0
    /// A bridge: how much it was told that waits for RabbitMQ.
    var toldWaiting: UInt64 = 0
    /// A listener: the process of auth that it has a channel to; 0: none.
    var auth: UInt32 = 0
    /// It broke the catalogue: what it leaves is not to be trusted.
    var isBlamed = false
    /// What all log entries about it say.
    var fields: KeyValuePairs<Field, String> {
        [
            .worker: place.label, .listener: place.listener ?? "", .generation: "\(generation)", .pid: "\(process)",
        ]
    }

    init(
        number: UInt32, generation: UInt32? = nil, place: Place, process: pid_t, processDescriptor: Int32,
        isChild: Bool, channel: consuming ControlChannel, heartbeat: Heartbeat, now: UInt64
    ) {
        self.number = number
        self.generation = generation ?? place.generation
        self.place = place
        self.process = process
        self.processDescriptor = processDescriptor
        self.isChild = isChild
        self.channel = channel
        self.heartbeat = heartbeat
        started = now
    }
}

/// The channel between the router's place and a listener's, or the bridge's: the supervisor's duplicates of both ends, so that it outlives their processes.
struct Wire {
    /// Tells the channel from all others that there were.
    let serial: UInt32
    let listener: UInt32
    let router: UInt32
    let listenerEnd: Int32
    let routerEnd: Int32

    func joins(_ place: UInt32) -> Bool { listener == place || router == place }

    func peer(of place: UInt32) -> UInt32 { listener == place ? router : listener }
}
