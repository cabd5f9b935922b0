// What a former supervisor has left: ports, arenas and channels, sockets that were parked, workers that still run. Read
// once, at the start. What can not be used is closed, and the log says so; nothing here keeps the broker from starting.

internal import Arena
internal import CLinux
internal import Channel
internal import Configuration
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages
internal import Systemd

/// Descriptors by their names, each taken once, and what they are.
struct Inheritance {
    private var descriptors: [String: Int32] = [:]
    private(set) var estate: Estate?
    private(set) var file: EstateFile?
    /// Why there is no estate, though there is a file.
    private(set) var problem: String?

    init(_ passed: [ListenDescriptor]) {
        for passed in passed where passed.name.hasPrefix(DescriptorStore.prefix) {
            _ = fcntl(passed.descriptor, F_SETFD, FD_CLOEXEC)
            let name = String(passed.name.dropFirst(DescriptorStore.prefix.count))
            // A name that is there twice is one of two supervisors: the last is the newer.
            if let former = descriptors.updateValue(passed.descriptor, forKey: name) { close(former) }
        }
        guard let descriptor = take(EstateFile.name) else { return }
        let file = EstateFile(descriptor: descriptor)
        self.file = file
        do throws(FrameError) {
            estate = try file.read()
        } catch {
            problem = "\(error)"
        }
    }

    var names: [String] { descriptors.keys.sorted() }

    mutating func take(_ name: String) -> Int32? { descriptors.removeValue(forKey: name) }

    func place(_ role: Role, _ name: String) -> Estate.Place? {
        estate?.places.first { $0.role == role && $0.name == name }
    }

    /// Closes what nobody has taken.
    mutating func closeRest() {
        for (name, descriptor) in descriptors {
            DescriptorStore.remove(name)
            close(descriptor)
        }
        descriptors = [:]
    }
}

extension Supervisor {
    /// Begins to keep what a successor needs, and takes what was left.
    func openEstate() {
        inheritance = Inheritance(passed)
        guard DescriptorStore.isAvailable || inheritance.file != nil else { return }
        if let problem = inheritance.problem {
            Journal.log(.inheritanceLost, [.key: "what the former supervisor has left", .reason: problem])
        }
        if let estate = inheritance.estate {
            Layout.inForce = estate.layout
            lastNumber = estate.lastNumber
            lastAccept = estate.lastAccept
            bequeathed = Set(inheritance.names + [EstateFile.name])
        }
        estateFile = inheritance.file
        do throws(SystemError) {
            if estateFile == nil { estateFile = try EstateFile() }
        } catch {
            Journal.log(.inheritanceLost, [.key: "the estate", .reason: "\(error)"])
        }
    }

    /// The place of a worker, as the former supervisor has left it.
    func makePlace(_ role: Role, _ name: String, listener: String? = nil) -> Place {
        guard let left = inheritance.place(role, name) else {
            return Place(number: nextNumber(), role: role, name: name, listener: listener)
        }
        let place = Place(number: left.number, role: role, name: name, listener: listener)
        place.generation = left.generation
        place.served = Int(left.served)
        if role == .listener { takeArena(of: place, left) }
        return place
    }

    private func takeArena(of place: Place, _ left: Estate.Place) {
        guard let descriptor = inheritance.take("arena-\(left.number)") else { return }
        do throws(ArenaError) {
            let survey = try ArenaSurvey(descriptor: descriptor)
            guard survey.fits(arenaLayout) else {
                throw .layout("an arena for smaller packets than limits.packet_size")
            }
            place.arena = (descriptor, survey.byteCount)
            place.slots = SlotTable(
                capacity: Int(survey.slotCount),
                former: survey.slots.map { SlotTable.Former(generation: $0.generation, isFree: $0.isFree) })
            place.past = left.hasDied ? .died : left.served > 0 ? .inOrder : .none
            lastAccept = max(lastAccept, survey.slots.reduce(0) { max($0, $1.acceptNumber) })
        } catch {
            Journal.log(.inheritanceLost, [.key: "the connections of \(place.label)", .reason: "\(error)"])
            close(descriptor)
        }
    }

    /// A listening socket that was left, if it is the one that the configuration asks for.
    func inheritedSockets(of listener: Configuration.Listener) -> [ListeningSocket] {
        let names = inheritance.names.filter {
            $0.hasPrefix("port-\(listener.name)-") && UInt32($0.dropFirst("port-\(listener.name)-".count)) != nil
        }
        return names.compactMap { name in
            guard let descriptor = inheritance.take(name) else { return nil }
            guard let socket = try? adopt(descriptor), socket.isBound(to: listener.bind) else {
                close(descriptor)
                return nil
            }
            return socket
        }
    }

    /// Takes what belongs to the places that there are now, closes the rest.
    func inherit(_ now: UInt64) {
        guard let estate = inheritance.estate else { return inheritance.closeRest() }
        inheritWires(estate)
        inheritParked()
        for process in estate.others { endStranger(process) }
        for left in estate.places { inheritWorkers(left, now) }
        inheritance.closeRest()
        // A router that is gone has left what its listeners may not have read.
        for place in places where place.role == .router && place.worker == nil { unwire(place, now) }
    }

    /// The process that serves goes on; where it is gone, the one that waits.
    private func inheritWorkers(_ left: Estate.Place, _ now: UInt64) {
        let place = places.first { $0.number == left.number && ($0.role == .router || $0.arena != nil) }
        if let place, let worker = takeOn(left.worker, in: place, now) {
            place.state = .held(by: worker)
            worker.told = now
            if let standby = left.successor { endStranger(standby.process) }
            return
        }
        if let worker = left.worker { endStranger(worker.process) }
        if let place, left.worker != nil, place.past != .none { place.past = .died }
        if let place, place.role == .listener, place.past == .died, let standby = takeOn(left.successor, in: place, now)
        {
            place.successor = standby
        } else if let standby = left.successor {
            endStranger(standby.process)
        }
    }

    private func inheritWires(_ estate: Estate) {
        for left in estate.wires {
            guard let place = places.first(where: { $0.number == left.listener }),
                let listenerEnd = inheritance.take("wire-\(left.serial)-listener")
            else { continue }
            let routerEnd = inheritance.take("wire-\(left.serial)-router")
            let wire = Wire(
                serial: left.serial, listener: left.listener, router: left.router, listenerEnd: listenerEnd,
                routerEnd: routerEnd ?? -1)
            if left.isAbandoned || routerEnd == nil {
                place.remains = wire
            } else {
                wires.append(wire)
            }
        }
    }

    /// The sockets that the former supervisor has parked.
    private func inheritParked() {
        for name in inheritance.names where name.hasPrefix("parked-") {
            guard let descriptor = inheritance.take(name) else { continue }
            var channel = ControlChannel(descriptor: descriptor)
            while case .packet(let packet)? = try? channel.receive() {
                guard let held = try? Held(decoding: packet.bytes) else { continue }
                takeHeld(held, packet.descriptors)
            }
            DescriptorStore.remove(name)
        }
    }

    /// Connections that another process held. Those that nobody can go on with are closed.
    func takeHeld(_ held: Held, _ descriptors: [Int32]) {
        let place = places.first { $0.number == held.place }
        for (connection, descriptor) in zip(held.connections, descriptors) {
            if let place, place.arena != nil, place.slots.restore(connection, descriptor) { continue }
            // It is over, or will be now.
            doomed.append(descriptor)
        }
    }

    // MARK: workers that still run

    /// - Returns: nil where there is none any more.
    private func takeOn(_ left: Estate.Worker?, in place: Place, _ now: UInt64) -> Worker? {
        guard let left, let channel = inheritance.take("control-\(left.number)") else { return nil }
        // It is no child of this process: a descriptor tells when it ends.
        let descriptor = apus_process_descriptor(left.process)
        guard descriptor >= 0, isWorker(left.process, of: place.role) else {
            if descriptor >= 0 { close(descriptor) }
            close(channel)
            return nil
        }
        let worker = Worker(
            number: left.number, generation: left.generation, place: place, process: left.process,
            channel: ControlChannel(descriptor: channel), heartbeat: makeHeartbeat(now), now: now)
        worker.phase = .adopting
        worker.fed = .max
        worker.processDescriptor = descriptor
        workers[worker.number] = worker
        do throws(SystemError) {
            try poller.add(descriptor, .readable, tag: Source.process(worker.number).tag)
            try poller.add(channel, .readable, tag: Source.worker(worker.number).tag)
        } catch {
            Journal.log(.inheritanceLost, [.key: place.label, .reason: "\(error)"])
            end(worker, now)
        }
        Journal.log(
            .workerAdopted,
            [.worker: place.label, .pid: "\(left.process)", .generation: "\(left.generation)"])
        send(Adopt(process: getpid()), to: worker, now)
        timers.set(.start(worker.number), at: now + UInt64(configuration.supervisor.startTimeout.milliseconds))
        return worker
    }

    /// It has said everything.
    func becameAdopted(_ worker: Worker, _ now: UInt64) {
        guard worker.phase == .adopting else { return }
        timers.cancel(.start(worker.number))
        sendSettings(to: worker, now)
        if worker.place.successor === worker {
            // The one that served is gone.
            worker.phase = .prepared
            promote(worker, now)
            awaitReady(worker, now)
            return
        }
        worker.phase = .ready
        worker.readySince = now
        // Whatever the former supervisor had asked for: it may write.
        if worker.place.role == .router {
            for wire in wires where wire.router == worker.place.number {
                send(StreamGo(worker: wire.listener), to: worker, now)
            }
        }
        serves(worker, now)
        // A listener may have waited for this router, or have no channel.
        for place in places where place.role == .listener {
            if let listener = place.worker { handOver(listener, now) }
        }
        noticeReadiness(now)
    }

    /// Whether a process is a worker of a role, and not another that got its number.
    private func isWorker(_ process: Int32, of role: Role) -> Bool {
        readLink("/proc/\(process)/exe").split(separator: "/").last?.hasPrefix(role.entry.executable) == true
    }

    private func endStranger(_ process: Int32) {
        guard Role.allCases.contains(where: { isWorker(process, of: $0) }) else { return }
        Glibc.kill(process, SIGKILL)
        strangers.append(process)
    }
}

extension ListeningSocket {
    fileprivate func isBound(to bind: Configuration.Address) -> Bool {
        switch bind {
        case .ipv4(let host, let port), .ipv6(let host, let port):
            self.host == host && (port == 0 || address.port == port)
        case .systemd: true
        }
    }
}
