// Brings the broker up: folders, control socket, ports, workers. Called once. Whatever fails here ends apusd with a
// sentence that says what to do.

internal import Configuration
internal import EventLoop
internal import Glibc
internal import Journal
internal import Logging
internal import Messages

/// Why the broker does not start.
struct StartFailure: Error {
    let reason: String
    /// Whether the log says so already.
    var isLogged = false
    /// What the process exits with; `EX_CONFIG` where trying again would not help.
    var status: Int32 = 1
    /// The number of the system's error, where that is the reason.
    var code: Int32?
}

extension Supervisor {
    /// How often a worker may die before it was ever ready until the broker gives up starting.
    static let startAttempts = 3

    func start() throws(StartFailure) {
        Journal.log(.brokerStarted, [.version: apusVersion, .pid: "\(getpid())"])
        do throws(SystemError) {
            try poller.add(signals.descriptor, .readable, tag: Source.signals.tag)
        } catch {
            throw StartFailure(reason: "\(error)", code: error.code)
        }
        try makeFolder(configuration.runtimeDirectory, "runtime_dir", mode: 0o750)
        try makeFolder(configuration.stateDirectory, "state_dir", mode: 0o700)
        try openControlSocket()
        computeBudget()
        openEstate()
        openErrors()
        reserve = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        for listener in configuration.listeners {
            do throws(PortFailure) {
                add(try openPort(listener, others: configuration.listeners))
            } catch {
                throw StartFailure(reason: error.description, isLogged: true, code: error.code)
            }
        }
        let now = monotonicMilliseconds()
        let single = roleTable.filter { $0.isWanted(by: configuration) }
        places.insert(contentsOf: single.map { makePlace($0.role, $0.role.name) }, at: 0)
        inherit(now)
        for place in places where place.worker == nil && place.successor == nil {
            do throws(SystemError) {
                place.state = .held(by: try spawn(place, now))
            } catch {
                throw StartFailure(reason: "\(place.label) can not be started: \(error)", code: error.code)
            }
        }
        beginNotifying(now)
        timers.set(.beat, at: now)
        bequeath()
    }

    /// Opens the sockets of a listener, without serving it yet.
    func openPort(
        _ listener: Configuration.Listener, others: [Configuration.Listener]
    ) throws(PortFailure) -> Port {
        var sockets = inheritedSockets(of: listener)
        do throws(PortFailure) {
            if sockets.isEmpty {
                for socket in try openSockets(of: listener, passed: passed, others: others) {
                    sockets[nextNumber()] = socket
                }
            }
        } catch {
            Journal.log(
                error.isInUse ? .portInUse : .listenFailed,
                [.listener: error.listener, .address: error.address, .reason: error.reason])
            throw error
        }
        return Port(listener: listener, sockets: sockets)
    }

    /// Takes an open port into the broker, with the places of its workers, which are still empty.
    func add(_ port: Port) {
        let listener = port.listener
        port.places = (1...listener.workers).map { index in
            let name = listener.workers == 1 ? listener.name : "\(listener.name)/\(index)"
            return makePlace(.listener, name, listener: listener.name)
        }
        ports.append(port)
        places += port.places
        for socket in port.sockets.values {
            Journal.log(
                .listening,
                [
                    .listener: listener.name, .address: socket.text,
                    .protocol: listener.transport.rawValue,
                ])
        }
    }

    /// The broker is ready when each worker is: then systemd is told.
    func noticeReadiness(_ now: UInt64) {
        guard state == .starting, places.allSatisfy({ $0.worker?.phase == .ready || !$0.role.entry.isEssential })
        else { return }
        state = .ready
        // Whoever comes now finds the sockets with the listeners.
        for descriptor in parked.values { close(descriptor) }
        parked = [:]
        Journal.log(.brokerReady, [.duration: "\(now - started)"])
        notifyReady()
        // A program that went over to this one leaves workers that may be older.
        beginRoll(now)
    }

    /// What was begun is undone; nothing serves yet.
    func abandonStart(_ failure: StartFailure) -> Int32 {
        Self.notifyFailure(failure.reason, status: failure.status, error: failure.code)
        if !failure.isLogged { Journal.log(.startFailed, [.reason: failure.reason]) }
        Journal.settle()
        for worker in workers.values { Glibc.kill(worker.process, SIGKILL) }
        for worker in workers.values { waitpid(worker.process, nil, 0) }
        finish()
        return failure.status
    }

    /// One descriptor a client and what the broker itself needs must fit into what this process may have.
    private func computeBudget() {
        var limit = rlimit()
        // The calls read and write one value of their type.
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)

        let single = roleTable.count { $0.isWanted(by: configuration) }
        let workers = configuration.listeners.reduce(single) { $0 + $1.workers }
        budget = DescriptorBudget(
            wanted: configuration.limits.connections, available: Int(clamping: limit.rlim_cur), workers: workers)
        Logger(label: "supervisor").debug(
            "\(limit.rlim_cur) descriptors: \(budget.connections) for clients, \(budget.reserved) for the broker")
        if budget.isCapped {
            Journal.log(
                .limitReached,
                [
                    .limit: "limits.connections",
                    .reason: "\(configuration.limits.connections) clients do not fit into \(limit.rlim_cur) "
                        + "descriptors, \(budget.connections) are allowed; raise LimitNOFILE= or `ulimit -n`",
                ])
        }
    }

    /// A folder that the configuration names, with those above it that are missing.
    private func makeFolder(_ folder: String, _ key: String, mode: mode_t) throws(StartFailure) {
        var path = ""
        for part in folder.split(separator: "/") {
            path += "/\(part)"
            // What is above it is for everybody to pass through.
            let isLast = path.count >= folder.count
            if unsafe mkdir(path, isLast ? mode : 0o755) != 0, errno != EEXIST, errno != EROFS, errno != EACCES {
                throw StartFailure(
                    reason: "the folder \(path) can not be made: \(errorText(errno)); see \(key)", status: EX_CONFIG)
            }
        }
        // The call fills the value where it succeeds.
        var found = stat()
        if unsafe stat(folder, &found) == 0, found.st_mode & S_IFMT != S_IFDIR {
            throw StartFailure(reason: "\(folder) is no folder; see \(key)", status: EX_CONFIG)
        }
        if unsafe access(folder, W_OK | X_OK) != 0 {
            throw StartFailure(
                reason: "the folder \(folder) can not be used: \(errorText(errno)); see \(key)", status: EX_CONFIG)
        }
    }
}
