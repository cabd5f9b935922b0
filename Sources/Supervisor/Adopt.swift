// Workers that a former supervisor has left, and that still run: they go on under this one, once they have said what they hold.

internal import CLinux
internal import Channel
internal import Configuration
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages

extension Supervisor {
    /// The process that serves goes on; where it is gone, or about to go, the one that waits, which may have been told already.
    func inheritWorkers(_ left: Estate.Place, _ now: UInt64) {
        let place = places.first { $0.number == left.number && ($0.role == .router || $0.arena != nil) }
        if let place, let worker = takeOn(left.worker, in: place, now) {
            place.state = .held(by: worker)
            worker.told = now
            ask(worker, now)
        } else {
            if let place, left.worker != nil, place.past != .none { place.past = .died }
        }
        if let place, place.role == .listener, place.past != .none, let standby = takeOn(left.successor, in: place, now)
        {
            place.successor = standby
            // Else it is asked should the other one end before it has answered.
            if place.worker == nil { ask(standby, now) }
        }
    }

    /// - Returns: nil where there is none any more.
    private func takeOn(_ left: Estate.Worker?, in place: Place, _ now: UInt64) -> Worker? {
        guard let left, let channel = inheritance.take("control-\(left.number)") else { return nil }
        guard let descriptor = inheritance.take(Self.name(ofProcess: left.process)), !hasEnded(descriptor) else {
            close(channel)
            return nil
        }
        let worker = Worker(
            number: left.number, generation: left.generation, place: place, process: left.process,
            processDescriptor: descriptor, isChild: false, channel: ControlChannel(descriptor: channel),
            heartbeat: makeHeartbeat(now), now: now)
        worker.phase = .adopting
        worker.fed = .max
        workers[worker.number] = worker
        do throws(SystemError) {
            try poller.add(descriptor, .readable, tag: Source.process(worker.number).tag)
            try poller.add(channel, .readable, tag: Source.worker(worker.number).tag)
        } catch {
            Journal.log(.inheritanceLost, [.key: place.label, .reason: "\(error)"], of: worker.fields)
            end(worker, now)
        }
        Journal.log(.workerAdopted, of: worker.fields)
        return worker
    }

    /// Asks a worker that a former supervisor has left what it holds. What it has answered to that one comes before the
    /// answer to the Ping.
    func ask(_ worker: Worker, _ now: UInt64) {
        worker.fence = wallNanoseconds()
        send(Ping(sequence: worker.fence, listeners: listenerTotals()), to: worker, now)
        send(Adopt(process: getpid()), to: worker, now)
        timers.set(.start(worker.number), at: now + UInt64(configuration.supervisor.startTimeout.milliseconds))
    }

    /// It has said everything.
    func becameAdopted(_ worker: Worker, _ now: UInt64) {
        guard worker.phase == .adopting, worker.fence == 0 else { return }
        timers.cancel(.start(worker.number))
        sendSettings(to: worker, now)
        let place = worker.place
        guard worker.hasTakenOver else {
            worker.phase = .prepared
            if place.worker == nil { promote(worker, now) } else { handOver(worker, now) }
            awaitReady(worker, now)
            return
        }
        if let other = place.worker === worker ? place.successor : place.worker { end(other, now) }
        place.successor = nil
        place.state = .held(by: worker)
        worker.phase = .ready
        worker.readySince = now
        serves(worker, now)
        // A listener may have waited for this router, or have no channel.
        for place in places where place.role == .listener {
            if let listener = place.worker { handOver(listener, now) }
        }
        noticeReadiness(now)
    }

    private func hasEnded(_ processDescriptor: Int32) -> Bool {
        var state = pollfd(fd: processDescriptor, events: Int16(POLLIN), revents: 0)
        // One descriptor is passed and counted as one.
        guard unsafe poll(&state, 1, 0) > 0 else { return false }
        close(processDescriptor)
        return true
    }

    /// What the descriptor of a process is kept as.
    static func name(ofProcess process: Int32) -> String { "process-\(process)" }

    /// Workers that are left, and stand in no place: they were being prepared or replaced, or their place is gone.
    func endStrangers() {
        for name in inheritance.names where name.hasPrefix("process-") {
            guard let descriptor = inheritance.take(name) else { continue }
            apus_kill_process(descriptor)
            close(descriptor)
            if let process = pid_t(name.dropFirst("process-".count)) { strangers.append(process) }
        }
    }
}
