// Starts a worker in a place and sends it what it needs to become ready. When one is started is decided elsewhere:
// Start.swift, BuryWorker.swift and Reload.swift.

internal import Arena
internal import CLinux
internal import Channel
internal import Configuration
internal import EventLoop
internal import Glibc
internal import Journal
internal import Logging
internal import Messages

extension Supervisor {
    /// Starts a worker; where that fails it is as if it had died at once.
    func fill(_ place: Place, _ now: UInt64) {
        do throws(SystemError) {
            place.state = .held(by: try spawn(place, now))
        } catch {
            Journal.log(.workerExited, [.status: "it could not be started: \(error)"], of: place.fields)
            place.failedStarts += 1
            decideSuccession(place, status: nil, readyFor: nil, now)
        }
    }

    /// Starts a process for a place. A listener's waits, with all that the place has, for the word to serve.
    ///
    /// - Parameter asSuccessor: another one holds the place, and goes on until this one is told to.
    func spawn(_ place: Place, asSuccessor: Bool = false, _ now: UInt64) throws(SystemError) -> Worker {
        let entry = place.role.entry
        if entry.holdsConnections, place.arena == nil {
            place.arena = try makeArena(place.name)
            place.slots = SlotTable(capacity: budget.connections)
            place.past = .none
        }
        place.generation += 1
        let process: pid_t
        let ends: (supervisor: Int32, worker: Int32)
        do throws(SystemError) {
            ends = try ControlChannel.pair()
            process = start(entry.executable, control: ends.worker)
            let code = errno
            close(ends.worker)
            guard process > 0 else {
                close(ends.supervisor)
                throw SystemError("run \(path(entry.executable))", code: code)
            }
        } catch {
            throw error
        }
        let descriptor = apus_process_descriptor(process)
        guard descriptor >= 0 else {
            let code = errno
            close(ends.supervisor)
            Glibc.kill(process, SIGKILL)
            strangers.append(process)
            throw SystemError("watch process \(process)", code: code)
        }

        let worker = Worker(
            number: nextNumber(), place: place, process: process, processDescriptor: descriptor, isChild: true,
            channel: ControlChannel(descriptor: ends.supervisor),
            heartbeat: makeHeartbeat(now), now: now)
        workers[worker.number] = worker
        do throws(SystemError) {
            try poller.add(ends.supervisor, .readable, tag: Source.worker(worker.number).tag)
        } catch {
            // It would never be heard: it dies, and the next one is tried later.
            end(worker, now)
        }
        Journal.log(.workerStarted, of: worker.fields)

        send(welcome(worker), to: worker, now)
        sendSettings(to: worker, now)
        if let arena = place.arena {
            send(ArenaOffer(byteCount: arena.byteCount), to: worker, descriptors: [arena.descriptor], now)
            feed(worker, now)
        } else if !asSuccessor {
            place.state = .held(by: worker)
            if place.role == .router { wire(worker, now) }
        }
        awaitReady(worker, now)
        return worker
    }

    private func welcome(_ worker: Worker) -> Welcome {
        Welcome(
            role: worker.place.role, worker: worker.place.number, generation: worker.generation, name: worker.place.name
        )
    }

    func makeHeartbeat(_ now: UInt64) -> Heartbeat {
        Heartbeat(
            interval: UInt64(configuration.supervisor.heartbeatInterval.milliseconds),
            timeout: UInt64(configuration.supervisor.heartbeatTimeout.milliseconds), now: now)
    }

    /// The time in which a worker must become ready runs from when it has been given all that it needs: one whose
    /// only peer is away waits for that.
    func awaitReady(_ worker: Worker, _ now: UInt64) {
        guard worker.phase == .starting || worker.phase == .prepared && worker.hasTakenOver,
            worker.place.role.entry.peers.allSatisfy({ peer in
                peer.entry.count != .one || workers.values.contains { $0.place.role == peer }
            })
        else { return }
        timers.set(.start(worker.number), at: now + UInt64(configuration.supervisor.startTimeout.milliseconds))
    }

    /// A worker was not ready in time.
    func startExpired(_ number: UInt32, _ now: UInt64) {
        guard let worker = workers[number], [.starting, .prepared, .adopting].contains(worker.phase) else { return }
        Journal.log(.workerHung, [.duration: "\(now - worker.started)"], of: worker.fields)
        end(worker, now)
    }

    func end(_ worker: Worker, _ now: UInt64) {
        apus_kill_process(worker.processDescriptor)
        worker.phase = .ending
        if worker.killed == nil { worker.killed = now }
    }

    private func makeArena(_ name: String) throws(SystemError) -> (descriptor: Int32, byteCount: UInt64) {
        let layout = arenaLayout
        do throws(ArenaError) {
            // No listener says more than a byte in a nanosecond, so a later arena begins behind the end of an earlier one.
            return try layout.create(name: name, origin: wallNanoseconds())
        } catch {
            switch error {
            case .system(let operation, let code): throw SystemError(operation, code: code)
            case .layout(let reason): throw SystemError("lay out an arena: \(reason)", code: EINVAL)
            }
        }
    }

    /// What the configuration asks of an arena.
    var arenaLayout: ArenaLayout {
        ArenaLayout(
            slots: UInt32(clamping: budget.connections), buffers: UInt64(configuration.limits.memory),
            largestPacket: UInt32(clamping: configuration.limits.packetSize))
    }

    func path(_ executable: String) -> String { "\(configuration.libexecDirectory)/\(executable)" }

    /// The worker learns who it is from its first frame, and then says so in its title.
    private func start(_ executable: String, control: Int32) -> pid_t {
        // The strings live through the call; the new process gets copies.
        unsafe executable.withCString { name in
            var arguments = unsafe [UnsafeMutablePointer(mutating: name), nil]
            return unsafe apus_spawn(path(executable), &arguments, control, controlDescriptor, errors?.writer ?? -1)
        }
    }
}
