// Replaces a worker on purpose, and keeps a standby in each place. The one that serves goes on until the other is
// prepared; where that fails, it goes on for good.

internal import Configuration
internal import EventLoop
internal import Journal
internal import Messages

extension Supervisor {
    /// How long a worker may take to finish its turn: milliseconds.
    private static let retireLimit: UInt64 = 1000

    /// Begins to replace the worker of a place by a new process.
    /// - Returns: why that can not be; nil where it has begun.
    func replace(_ place: Place, _ now: UInt64) -> String? {
        guard let worker = place.worker, worker.phase == .ready else { return "\(place.label) is not ready" }
        // A standby may be of an older binary.
        if let standby = place.successor {
            place.successor = nil
            end(standby, now)
        }
        do throws(SystemError) {
            place.isReplacing = true
            place.successor = try spawn(place, asSuccessor: true, now)
            return nil
        } catch {
            place.isReplacing = false
            return "\(error)"
        }
    }

    /// A successor is prepared: the one that serves retires if it is to be replaced.
    func prepared(_ successor: Worker, _ now: UInt64) {
        let place = successor.place
        Journal.log(.workerPrepared, of: successor.fields)
        guard place.isReplacing, let worker = place.worker, worker.phase == .ready else { return }
        place.isReplacing = false
        // Should this process die now, the next supervisor goes on with the successor: the other one is about to end.
        bequeath()
        send(Retire(), to: worker, now)
        worker.phase = .retiring
        timers.set(.retiring(worker.number), at: now + Self.retireLimit)
    }

    /// A successor died before it could serve. The one that serves goes on.
    func lostSuccessor(_ place: Place, _ status: ExitStatus, _ now: UInt64) {
        place.successor = nil
        // It was to go on for one that died with the former supervisor.
        if case .empty = place.state, state != .stopping, state != .parking { return fill(place, now) }
        if place.isReplacing {
            place.isReplacing = false
            let reason = "its successor ended before it was prepared: \(status)"
            endRoll(place, reason, now)
            answerAskers(place, reason, now)
        }
        let delay = place.standbyBackoff.died(readyFor: nil)
        timers.set(.standby(place.number), at: now + max(delay, Backoff.first))
    }

    /// Starts a standby in a place that has none. Where workers die again and again it is started later and later.
    func prepareStandby(_ place: Place, _ now: UInt64) {
        guard state != .stopping, !place.isRetired, place.successor == nil, place.worker?.phase == .ready,
            wantsStandby(place)
        else { return }
        guard now >= place.standbyAt else {
            timers.set(.standby(place.number), at: place.standbyAt)
            return
        }
        do throws(SystemError) {
            place.successor = try spawn(place, asSuccessor: true, now)
        } catch {
            timers.set(.standby(place.number), at: now + Backoff.longest)
        }
    }

    private func wantsStandby(_ place: Place) -> Bool {
        switch place.role {
        case .router: configuration.supervisor.routerStandby
        case .bridge, .auth: false
        case .listener: configuration.listeners.first { $0.name == place.listener }?.standby == true
        }
    }
}
