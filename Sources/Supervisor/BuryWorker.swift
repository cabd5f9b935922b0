// What follows the death of a worker: its process is reaped, its clients' sockets are shut down, its peers are told,
// and it is decided whether and when another one takes its place.

internal import Channel
internal import Configuration
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages

/// How a process ended.
enum ExitStatus: Equatable, CustomStringConvertible {
    case exited(Int32)
    case signal(Int32)
    /// It was no child of this process.
    case unknown

    /// From what waitpid reports.
    init(_ status: Int32) {
        let signal = status & 0x7F
        self = signal == 0 ? .exited(status >> 8 & 0xFF) : .signal(signal)
    }

    var description: String {
        switch self {
        case .unknown: "a status that only its parent knows"
        case .exited(let status): "exit status \(status)"
        case .signal(let signal):
            // strsignal's text is copied at once.
            "signal \(signal) (\(unsafe String(cString: strsignal(signal))))"
        }
    }
}

extension Supervisor {
    /// Sockets of dead listeners that are closed in one turn, so that thousands of them do not hold up the loop.
    private static let closedPerTurn = 1000

    /// Children have ended: who, and how.
    func reap(_ now: UInt64) {
        for worker in workers.values.sorted(by: { $0.number < $1.number }) {
            var status: Int32 = 0
            // The call writes one integer.
            guard worker.isChild, unsafe waitpid(worker.process, &status, WNOHANG) == worker.process
            else { continue }
            bury(worker, ExitStatus(status), now)
        }
        strangers.removeAll { waitpid($0, nil, WNOHANG) != 0 }
    }

    func bury(_ worker: Worker, _ status: ExitStatus, _ now: UInt64) {
        // What it said before it died comes first.
        relayErrors()
        hear(worker, now, all: true)
        let place = worker.place
        // It may have been retired, or replaced as a standby.
        let isFormer = place.worker !== worker && place.successor !== worker
        let wasAsked =
            isFormer
            || worker.killed == nil && (status == .exited(0) || status == .unknown)
                && (state == .stopping || state == .parking || place.isRetired)
        workers[worker.number] = nil
        poller.remove(worker.channel.descriptor)
        if !worker.isChild {
            // It may be one nevertheless, of the program that this process ran before.
            waitpid(worker.process, nil, WNOHANG)
            poller.remove(worker.processDescriptor)
        }
        close(worker.processDescriptor)
        for timer: Timer in [
            .start(worker.number), .lingering(worker.number), .flush(worker.number), .removal(worker.number),
            .retiring(worker.number), .gathering(worker.number),
        ] {
            timers.cancel(timer)
        }
        if !wasAsked { Journal.log(.workerExited, [.status: "\(status)"], of: worker.fields) }
        retireCounters(of: worker)
        failQueries(to: worker, now)
        if place.worker !== worker {
            if place.successor === worker { lostSuccessor(place, status, now) }
            if state == .stopping { perform(stop?.exited(worker.number, now: now) ?? [], now) }
            return
        }
        if state == .parking {
            if !wasAsked, place.past != .none { place.past = .died }
            place.state = .empty
            return goOnParking(now)
        }
        if place.role == .bridge { place.problem = "the bridge has ended: \(status)" }
        let survives = connectionsSurvive(worker, status)
        endQuestion(place)
        if !survives {
            // While the broker stops, the router reads the rest of what a listener said before it stopped.
            if !(wasAsked && state == .stopping) { unwire(place, now) }
            if place.role == .listener { dropConnections(of: place) }
        }
        place.state = .empty

        if state == .stopping {
            perform(stop?.exited(worker.number, now: now) ?? [], now)
        } else if place.isRetired {
            remove(place)
        } else if survives || !place.role.entry.holdsConnections && status != .exited(configurationStatus),
            let successor = place.successor, successor.phase != .ending
        {
            totals.restarts += 1
            place.isReplacing = false
            place.standbyAt = now + place.backoff.died(readyFor: worker.readySince.map { now - $0 })
            promote(successor, now)
        } else {
            if worker.readySince == nil { place.failedStarts += 1 }
            decideSuccession(place, status: status, readyFor: worker.readySince.map { now - $0 }, now)
        }
    }

    /// Whether the connections of a worker that died go on under its successor. What a worker leaves that broke the
    /// catalogue would break it again.
    private func connectionsSurvive(_ worker: Worker, _ status: ExitStatus) -> Bool {
        let place = worker.place
        guard place.arena != nil, state != .stopping, !place.isRetired, !worker.isBlamed,
            status != .exited(configurationStatus)
        else { return false }
        if worker.hasTakenOver { place.past = .died }
        return true
    }

    /// The connections of a place end, and its memory with them.
    func dropConnections(of place: Place) {
        doomed += place.slots.closeAll()
        if let arena = place.arena { close(arena.descriptor) }
        place.arena = nil
        place.past = .none
        forgetRemains(of: place)
        if let standby = place.successor {
            place.successor = nil
            end(standby, monotonicMilliseconds())
        }
    }

    /// Whether and when a place is filled again.
    func decideSuccession(_ place: Place, status: ExitStatus?, readyFor: UInt64?, _ now: UInt64) {
        let isRefusal = status == .exited(configurationStatus)
        let entry = place.role.entry
        if state == .starting, entry.isEssential, isRefusal || place.failedStarts >= Self.startAttempts {
            let end = status.map { "\($0)" } ?? "it could not be started"
            giveUp(place, "the broker can not start without it: \(end)")
            exitStatus = isRefusal ? configurationStatus : 1
            beginStop("\(place.label) did not become ready", now)
        } else if isRefusal || !entry.restartable {
            giveUp(place, "it ended with \(status.map { "\($0)" } ?? "no status"), which means that it can not work")
            closePorts(without: place)
            // Without its router, or without any listener, there is no broker.
            let isNeeded = entry.count == .one || places.allSatisfy { $0.listener == nil || $0.isGivenUp }
            if entry.isEssential, isNeeded {
                exitStatus = configurationStatus
                beginStop("\(place.label) can not work", now)
            }
        } else {
            let delay = place.backoff.died(readyFor: readyFor)
            place.state = .waiting
            totals.restarts += 1
            if delay > 0 { Journal.log(.workerBackingOff, [.duration: "\(delay)"], of: place.fields) }
            timers.set(.respawn(place.label), at: now + delay)
        }
    }

    private func giveUp(_ place: Place, _ reason: String) {
        place.state = .givenUp
        Journal.log(.workerGivenUp, [.reason: reason], of: place.fields)
    }

    /// A port that no worker will ever serve again refuses its clients instead of letting them wait.
    private func closePorts(without place: Place) {
        for port in ports where port.places.contains(where: { $0 === place }) && port.places.allSatisfy(\.isGivenUp) {
            shut(port)
        }
    }

    /// The counters of a dead worker go on counting in the totals.
    private func retireCounters(of worker: Worker) {
        for (name, value) in namedCounters(of: worker) where !isGauge(name) {
            totals.retired[name, default: 0] &+= value
        }
    }

    /// Ends some of the connections that belonged to dead listeners.
    func closeDoomed() {
        guard !doomed.isEmpty else { return }
        for descriptor in doomed.suffix(Self.closedPerTurn) {
            // Shut down first: while others hold duplicates, closing alone would tell the client nothing.
            shutdown(descriptor, Int32(SHUT_RDWR))
            close(descriptor)
        }
        doomed.removeLast(min(doomed.count, Self.closedPerTurn))
        openGates()
    }
}

extension Place {
    var isGivenUp: Bool {
        if case .givenUp = state { true } else { false }
    }
}
