// Stops the broker, or one listener. The order and the times are StopInOrder's; here is what is done.

internal import Configuration
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages

extension Supervisor {
    /// Server shutting down, MQTT 5 §3.14.2.1.
    private static let serverShuttingDown: UInt8 = 0x8B

    func beginStop(_ reason: String, _ now: UInt64) {
        guard state != .stopping else { return }
        state = .stopping
        stopBegan = now
        Journal.log(.stopping, [.reason: reason])
        notifyStopping()
        for port in ports { shut(port) }
        for place in places { timers.cancel(.respawn(place.label)) }
        let groups = roleTable.reversed().map { entry in
            workers.values.filter { $0.place.role == entry.role }.map(\.number).sorted()
        }
        stop = StopInOrder(
            groups: groups, now: now, limit: UInt64(configuration.supervisor.stopTimeout.milliseconds))
        continueStop(now)
    }

    func continueStop(_ now: UInt64) {
        perform(stop?.turn(now: now) ?? [], now)
    }

    /// A worker said that it has done what it was asked.
    func hasStopped(_ worker: Worker, _ now: UInt64) {
        perform(stop?.stopped(worker.number, now: now) ?? [], now)
    }

    func perform(_ actions: [StopInOrder.Action], _ now: UInt64) {
        for action in actions {
            switch action {
            case .stop(let number, let limit):
                if let worker = workers[number] { tellToStop(worker, limit: limit, now) }
            case .kill(let number):
                guard let worker = workers[number] else { continue }
                Journal.log(.workerHung, [.duration: "\(now - stopBegan)"], of: worker.fields)
                end(worker, now)
            }
        }
        // Whoever was killed is awaited; until then there is a time at which something is due.
        if let stop, !stop.isFinished, stop.deadline > now { timers.set(.stop, at: stop.deadline) }
    }

    /// Stops one worker of a listener that the configuration no longer has.
    func retire(_ place: Place, _ now: UInt64) {
        place.isRetired = true
        timers.cancel(.respawn(place.label))
        timers.cancel(.standby(place.number))
        guard let worker = place.worker else {
            dropConnections(of: place)
            remove(place)
            return
        }
        if let standby = place.successor {
            place.successor = nil
            end(standby, now)
        }
        let limit = configuration.supervisor.stopTimeout.milliseconds
        tellToStop(worker, limit: UInt32(clamping: limit), now)
        timers.set(.removal(worker.number), at: now + UInt64(limit))
    }

    /// Forgets a place that nobody holds, and its port with the last one.
    func remove(_ place: Place) {
        places.removeAll { $0 === place }
        for port in ports { port.places.removeAll { $0 === place } }
        ports.removeAll { $0.places.isEmpty }
    }

    private func tellToStop(_ worker: Worker, limit: UInt32, _ now: UInt64) {
        send(Stop(reasonCode: Self.serverShuttingDown, limit: limit), to: worker, now)
        if worker.phase != .ending { worker.phase = .stopping }
    }

    /// The last thing: nothing runs any more.
    func finish() {
        closeControlSocket()
        for port in ports { shut(port) }
        if stopBegan > 0 { Journal.log(.stopped, [.duration: "\(monotonicMilliseconds() - stopBegan)"]) }
        Journal.flush()
    }
}
