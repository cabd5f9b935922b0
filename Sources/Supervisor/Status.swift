// The answer to `apusctl status`: workers, listeners, and the sums of all counters.

internal import Configuration
internal import Control
internal import Glibc
internal import Messages

extension Supervisor {
    func statusReport(_ now: UInt64) -> StatusReport {
        StatusReport(
            version: apusVersion, pid: Int(getpid()), uptime: seconds(now - started), state: state.rawValue,
            degraded: problem, layout: Int(Layout.inForce), newestLayout: Int(Layout.newest),
            connections: places.reduce(0) { $0 + $1.slots.count },
            workers: places.flatMap { [report($0, now)] + standbys(of: $0, now) },
            listeners: ports.map(report), counters: counters())
    }

    /// What is not as it should be, in words; nil: nothing.
    var problem: String? { degradation ?? storeProblem ?? authProblem ?? bridgeProblem }

    private var bridgeProblem: String? {
        guard let place = bridgePlace else { return nil }
        if place.isGivenUp { return "the bridge to RabbitMQ can not work, see the log" }
        guard !place.problem.isEmpty else { return nil }
        return "RabbitMQ: \(place.problem); \(messagesForBridge) messages wait for it"
    }

    /// What the router keeps for RabbitMQ, as it has reported last.
    var messagesForBridge: UInt64 {
        let counters = router.map { namedCounters(of: $0) } ?? []
        return counters.first { $0.name == RouterCounter.bridgeWaiting.name }?.value ?? 0
    }

    /// The counters of one worker, as last reported, by their names. A worker that reports fewer or more than its table
    /// has is read as far as both go.
    func namedCounters(of worker: Worker) -> [(name: String, value: UInt64)] {
        let names =
            switch worker.place.role {
            case .listener: ListenerCounter.allCases.map(\.name)
            case .router: RouterCounter.allCases.map(\.name)
            case .bridge: BridgeCounter.allCases.map(\.name)
            case .auth: AuthCounter.allCases.map(\.name)
            }
        return zip(names, worker.counters).map { ($0, $1) }
    }

    /// Whether a counter says how many there are now, so that a dead worker's no longer count.
    func isGauge(_ name: String) -> Bool { gauges.contains(name) }

    private var gauges: [String] {
        [
            ListenerCounter.connections.name, RouterCounter.sessions.name, RouterCounter.subscriptions.name,
            RouterCounter.retainedMessages.name, RouterCounter.messagesQueued.name, RouterCounter.connections.name,
            RouterCounter.bridgeWaiting.name, BridgeCounter.connected.name,
            BridgeCounter.messagesUnconfirmed.name, BridgeCounter.messagesUnacknowledged.name,
            AuthCounter.waiting.name, AuthCounter.users.name,
        ]
    }

    /// The sums of the listeners' counters, those that are gone included, in the order of their table.
    func listenerTotals() -> [UInt64] {
        var sums = ListenerCounter.allCases.map { totals.retired[$0.name] ?? 0 }
        for worker in workers.values where worker.place.role == .listener {
            for (index, value) in worker.counters.enumerated() where index < sums.count { sums[index] &+= value }
        }
        return sums
    }

    private func counters() -> [String: UInt64] {
        var counters = totals.retired
        for worker in workers.values {
            for (name, value) in namedCounters(of: worker) { counters[name, default: 0] &+= value }
        }
        counters["supervisor_connections_accepted"] = totals.accepted
        counters["supervisor_connections_refused"] = totals.refused
        counters["supervisor_workers_restarted"] = totals.restarts
        return counters
    }

    /// The process that waits for a place, if there is one.
    private func standbys(of place: Place, _ now: UInt64) -> [WorkerReport] {
        guard let worker = place.successor, worker.phase == .prepared else { return [] }
        return [
            WorkerReport(
                role: place.role.name, name: place.name, pid: Int(worker.process), generation: Int(worker.generation),
                state: "standby", version: worker.program?.version, isOutdated: isOutdated(worker),
                uptime: seconds(now - worker.started), restarts: 0, connections: 0)
        ]
    }

    private func report(_ place: Place, _ now: UInt64) -> WorkerReport {
        let worker = place.worker
        let state =
            switch place.state {
            case .givenUp: "failed"
            case .empty, .waiting: "waiting"
            case .held(let worker):
                switch worker.phase {
                case .starting, .prepared: "starting"
                case .ready, .adopting: "ready"
                case .retiring, .stopping, .ending: "stopping"
                }
            }
        return WorkerReport(
            role: place.role.name, name: place.name, pid: Int(worker?.process ?? 0),
            generation: Int(worker?.generation ?? place.generation),
            state: state, version: worker?.program?.version, isOutdated: worker.map(isOutdated) ?? false,
            uptime: worker.map { seconds(now - $0.started) } ?? 0,
            restarts: max(0, place.served - 1), connections: place.slots.count)
    }

    private func report(_ port: Port) -> ListenerReport {
        let sockets = port.sockets.values.sorted { $0.text < $1.text }
        return ListenerReport(
            name: port.listener.name, protocol: port.listener.transport.rawValue,
            bind: port.listener.bind.description, address: sockets.map(\.host).joined(separator: ", "),
            port: Int(sockets.first?.address.port ?? 0),
            connections: port.places.reduce(0) { $0 + $1.slots.count }, workers: port.places.count)
    }

    private func seconds(_ milliseconds: UInt64) -> Double { Double(milliseconds) / 1000 }
}
