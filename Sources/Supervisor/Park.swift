// `systemctl restart`: clients' sockets are put where they wait with systemd, the workers finish what they are doing and end,
// and the next supervisor goes on. A stop says goodbye instead; Stopping.swift has that.
//
// The sockets come first: from there on each process may die at any moment, this one too.

internal import Channel
internal import Configuration
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages
internal import Systemd

extension Supervisor {
    /// What SIGTERM means: the unit's job tells. While it is asked for, everything goes on. Where it can not be asked for, a
    /// restart is assumed; if it is a stop after all, systemd closes what was left with it.
    func stopOrPark(_ now: UInt64) {
        guard unitJob == nil else { return }
        guard canBequeath, state == .ready else { return beginStop("SIGTERM", now) }
        guard let answer = UnitJob.ask(), (try? poller.add(answer, .readable, tag: Source.unitJob.tag)) != nil else {
            return beginPark(now)
        }
        unitJob = answer
        timers.set(.unitJob, at: now + Self.longestQuestion)
    }

    /// Milliseconds until an answer of the service manager is not waited for any more.
    private static let longestQuestion: UInt64 = 5000

    /// The service manager has answered, or nobody has and its time is over.
    func unitJobIsKnown(_ now: UInt64) {
        guard let answer = forgetUnitJob() else { return }
        let job = UnitJob(answer: answer)
        guard state == .ready, canBequeath, job == .unknown || job == .kind("restart") else {
            return beginStop("SIGTERM", now)
        }
        beginPark(now)
    }

    func unitJobExpired(_ now: UInt64) {
        guard let answer = forgetUnitJob() else { return }
        close(answer)
        if state == .ready, canBequeath { beginPark(now) } else { beginStop("SIGTERM", now) }
    }

    private func forgetUnitJob() -> Int32? {
        guard let unitJob else { return nil }
        timers.cancel(.unitJob)
        poller.remove(unitJob)
        self.unitJob = nil
        return unitJob
    }

    private func beginPark(_ now: UInt64) {
        state = .parking
        stopBegan = now
        Journal.log(.parking, [.count: "\(openConnections)"])
        notifyStopping()
        for place in places {
            timers.cancel(.respawn(place.label))
            timers.cancel(.standby(place.number))
            place.isReplacing = false
            guard let standby = place.successor else { continue }
            place.successor = nil
            end(standby, now)
        }
        parkSockets()
        bequeath()
        // What a process that is gone has sent would not be taken.
        guard let taken = DescriptorStore.barrier(),
            (try? poller.add(taken, .readable, tag: Source.barrier.tag)) != nil
        else { return beginRetiring(now) }
        barrier = taken
        timers.set(.barrier, at: now + Self.longestBarrier)
    }

    /// Milliseconds until systemd is not waited for any more.
    private static let longestBarrier: UInt64 = 1000

    /// systemd has what was left with it, or its time is over: the workers finish.
    func beginRetiring(_ now: UInt64) {
        guard state == .parking, !isRetiring else { return }
        isRetiring = true
        timers.cancel(.barrier)
        if let barrier {
            poller.remove(barrier)
            close(barrier)
        }
        barrier = nil
        timers.set(.stop, at: now + UInt64(configuration.supervisor.stopTimeout.milliseconds) / 2)
        // What the router has said last is for the listeners to hear.
        retireAll(.bridge, now)
        retireAll(.auth, now)
        retireAll(.router, now)
        goOnParking(now)
    }

    private func retireAll(_ role: Role, _ now: UInt64) {
        for place in places where place.role == role {
            guard let worker = place.worker else { continue }
            guard worker.phase == .ready else {
                end(worker, now)
                continue
            }
            send(Retire(), to: worker, now)
            worker.phase = .retiring
        }
    }

    /// A worker has retired, or has died instead: the next ones, and at last this process.
    func goOnParking(_ now: UInt64) {
        guard isRetiring else { return }
        let routers = places.filter { $0.role == .router }
        guard routers.allSatisfy({ $0.worker == nil }) else { return }
        if !hasRetiredListeners {
            hasRetiredListeners = true
            for place in routers { unwire(place, now) }
            retireAll(.listener, now)
        }
        guard places.allSatisfy({ $0.worker == nil }) else { return }
        bequeath()
        isParked = true
    }

    /// A worker has not retired in time.
    func parkExpired(_ now: UInt64) {
        for worker in workers.values where worker.phase != .ending { end(worker, now) }
    }

    /// Sends the sockets of all clients into pairs whose other ends are kept.
    private func parkSockets() {
        var channel: ControlChannel?
        for place in places {
            var next = 0
            while next != Int.max {
                let part = place.slots.connections(from: next, count: descriptorsPerPacket)
                next = part.next
                guard !part.connections.isEmpty else { continue }
                let frame = Held(place: place.number, connections: part.connections).encoded()
                if channel?.sendAtOnce(frame, descriptors: part.descriptors) == true { continue }
                // It is full, or there is none.
                guard let ends = try? ControlChannel.pair() else { return }
                parked["parked-\(parked.count + 1)"] = ends.worker
                channel = ControlChannel(descriptor: ends.supervisor)
                if channel?.sendAtOnce(frame, descriptors: part.descriptors) != true {
                    Journal.log(
                        .inheritanceLost,
                        [.key: "a part of the connections of \(place.label)", .reason: errorText(errno)],
                        of: place.fields)
                }
            }
        }
    }
}
