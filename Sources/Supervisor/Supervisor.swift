// The supervisor: one loop that binds ports, accepts connections, and starts, watches, replaces and stops the workers.
// It parses no byte of a client. This file holds its state and the loop; each verb has a file of its own, as an
// extension. Called by apusd. Fatal is only what keeps it from starting, and a poller that fails.

internal import Channel
package import Configuration
package import EventLoop
internal import Glibc
internal import Messages
internal import Systemd

/// The exit status of a process that can not work with its configuration (EX_CONFIG), apusd or a worker: do not restart.
package let configurationStatus: Int32 = 78

/// The exit status of `apusd --check` where it can not read what a supervisor has left (EX_DATAERR).
package let estateStatus: Int32 = 65

package final class Supervisor {
    enum State: String {
        case starting, ready, parking, stopping
    }

    /// Kept for the reload: where the configuration came from.
    let configurationPath: String?
    let environment: [String: String]

    /// What is in force; a reload replaces the parts that can change.
    var configuration: Configuration
    var state = State.starting
    let started = monotonicMilliseconds()

    var poller: Poller
    let signals: Signals
    var timers = TimerList<Timer>()
    /// What systemd passed.
    let passed: [ListenDescriptor]

    var places: [Place] = []
    var workers: [UInt32: Worker] = [:]
    var wires: [Wire] = []
    var ports: [Port] = []
    /// The last number given to a worker, a listening socket, an operator's connection or a query.
    var lastNumber: UInt32 = 0

    /// What a former supervisor has left; used at the start.
    var inheritance = Inheritance([])
    /// Another program goes on at the turn's end.
    var goesOver = false
    /// While it is about to: the milliseconds at which it does so whatever the log does; 0: it has not begun.
    var goesOverBy: UInt64 = 0
    /// Counts the reloads, with each of which auth reads the password file.
    var passwordReading: UInt32 = 0
    /// Who waits for what comes of that.
    var passwordAskers: [Proof.Asker] = []
    /// The newer program that shows what it can.
    var proof: Proof?
    /// The places whose workers are replaced by newer ones, the one whose turn it is in front.
    var rolling: [UInt32] = []
    /// What is not as it should be, in words.
    var degradation: String?

    /// Processes that were killed, and may be children of the program that this process ran before.
    var strangers: [pid_t] = []
    /// Where workers' standard error leads; nil where it is this process's own.
    var errors: (reader: Int32, writer: Int32)?
    /// nil where no service manager keeps anything.
    var estateFile: EstateFile?
    /// How many descriptors systemd keeps, as far as is known; and why it keeps none, in words.
    var storeRoom = Int.max
    /// Where the answer comes, how many.
    var storeQuestion: Int32?
    var storeProblem: String?
    /// The names of what is kept.
    var bequeathed: Set<String> = []
    /// Pairs that hold clients' sockets, by what they are kept as: from when this supervisor begins to park until the next
    /// one is ready.
    var parked: [String: Int32] = [:]
    /// While parking: whether it is the workers' turn to end, the listeners', and whether all is done.
    var isRetiring = false
    var hasRetiredListeners = false
    var isParked = false

    var budget = DescriptorBudget(wanted: 0, available: 0, workers: 0)
    /// A descriptor to give up when there is no other, so that one connection can be refused.
    var reserve: Int32 = -1
    /// Sockets of dead listeners, which are shut down and closed a few each turn.
    var doomed: [Int32] = []
    var lastAccept: UInt64 = 0
    var totals = Totals()

    /// -1 while the control socket is not open.
    var controlSocket: Int32 = -1
    var isControlSocketWatched = false
    var operators: [UInt32: Operator] = [:]
    var queries: [UInt32: UInt32] = [:]

    /// After SIGTERM: where the service manager's answer comes, whether it is a restart.
    var unitJob: Int32?
    /// While parking: what ends when systemd has taken what was left with it.
    var barrier: Int32?
    var stop: StopInOrder?
    var stopBegan: UInt64 = 0
    /// What apusd exits with once the workers have stopped.
    var exitStatus: Int32 = 0
    var statusLine = ""
    var messageRate = MessageRate(now: monotonicMilliseconds())
    var watchdogInterval: UInt64?

    /// Blocks the signals that it takes as events: to be called before any other thread starts.
    /// - Throws: where the system has no descriptor for it.
    package init(
        configuration: Configuration, path: String?, environment: [String: String]
    ) throws(SystemError) {
        self.configuration = configuration
        configurationPath = path
        self.environment = environment
        signals = try Signals([SIGTERM, SIGINT, SIGHUP, SIGCHLD])
        poller = try Poller(eventsPerTurn: 256)
        passed = ListenDescriptors.take() + Self.takeHeirlooms(environment)
        signal(SIGPIPE, SIG_IGN)
    }

    func nextNumber() -> UInt32 {
        lastNumber += 1
        return lastNumber
    }

    /// Runs the broker until it has stopped.
    /// - Returns: the exit status for apusd.
    package func run() throws(SystemError) -> Int32 {
        reportCrashes("apusd", version: apusVersion)
        do {
            try start()
        } catch {
            return abandonStart(error)
        }
        while !(stop?.isFinished ?? isParked) {
            try turn()
        }
        finish()
        return exitStatus
    }

    /// One turn of the loop: what is ready first, then what is due, so that an answer that lies in a socket is read
    /// before its sender is judged.
    private func turn() throws(SystemError) {
        let wait = doomed.isEmpty ? timers.wait(now: monotonicMilliseconds()) : 0
        let count = try poller.wait(milliseconds: wait)
        let now = monotonicMilliseconds()
        var mayHaveChanged = false
        for index in 0..<count {
            guard let source = Source(tag: poller.tag(index)) else { continue }
            if case .port = source {} else { mayHaveChanged = true }
            handle(source, poller.readiness(index), now)
        }
        for timer in timers.expired(now: now) {
            mayHaveChanged = true
            handle(timer, now)
        }
        closeDoomed()
        updateAccepting(now)
        if mayHaveChanged, state != .stopping, !isParked { bequeath() }
        if goesOver, unitJob == nil, state == .ready { goOver(now) }
    }

    private func handle(_ source: Source, _ readiness: Poller.Interest, _ now: UInt64) {
        switch source {
        case .signals: takeSignals(now)
        case .controlSocket: admitOperators(now)
        case .port(let number): accept(number, now)
        case .worker(let number):
            guard let worker = workers[number] else { return }
            if readiness.contains(.writable) { flush(worker, now) }
            if readiness != .writable { hear(worker, now) }
        case .operator(let number):
            if let connection = operators[number] { attend(connection, readiness, now) }
        case .proof: proofEnded(now)
        case .errors: relayErrors()
        case .unitJob: unitJobIsKnown(now)
        case .storeRoom: storeRoomIsKnown()
        case .barrier: beginRetiring(now)
        case .process(let number):
            if let worker = workers[number] { bury(worker, .unknown, now) }
        }
    }

    private func handle(_ timer: Timer, _ now: UInt64) {
        switch timer {
        case .beat: beat(now)
        case .proof: proofExpired()
        case .passwords: passwordsExpired(now)
        case .watchdog: feedWatchdog(now)
        case .respawn(let label):
            if let place = places.first(where: { $0.label == label }) { fill(place, now) }
        case .roll: if state == .ready { continueRoll(now) }
        case .start(let number): startExpired(number, now)
        case .question(let number): questionExpired(number, now)
        case .gathering(let number): if let worker = workers[number] { handOver(worker, now) }
        case .standby(let number):
            if let place = places.first(where: { $0.number == number }) { prepareStandby(place, now) }
        case .lingering(let number), .removal(let number), .retiring(let number):
            if let worker = workers[number] { end(worker, now) }
        case .flush(let number):
            if let worker = workers[number] { flush(worker, now) }
        case .cut(let one, let other):
            close(one)
            if other >= 0 { close(other) }
        case .unitJob: unitJobExpired(now)
        case .barrier: beginRetiring(now)
        // The turn does the rest.
        case .bequest, .goingOver: break
        case .stop: if state == .parking { parkExpired(now) } else { continueStop(now) }
        case .rest(let number): endRest(number)
        case .controlRest: watchControlSocket()
        case .query(let number): queryExpired(number, now)
        case .idle(let number):
            if let connection = operators[number] { dismiss(connection) }
        }
    }

    private func takeSignals(_ now: UInt64) {
        while let signal = signals.next() {
            switch signal {
            case SIGCHLD: reap(now)
            case SIGHUP: reloadOnSignal(now)
            case SIGTERM: stopOrPark(now)
            case SIGINT: beginStop("SIGINT", now)
            default: break
            }
        }
    }
}

/// What the supervisor counts itself, since it started.
struct Totals {
    var accepted: UInt64 = 0
    var refused: UInt64 = 0
    var restarts: UInt64 = 0
    /// The counters of workers that are gone, by their names.
    var retired: [String: UInt64] = [:]
}
