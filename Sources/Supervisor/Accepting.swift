// Accepts connections in bulk, gives each a slot in the arena of the least busy worker of its port, keeps a duplicate
// of its socket, and sends it on. Nothing here is fatal: what can not be accepted now waits in the kernel's backlog.

internal import CLinux
internal import Channel
internal import Configuration
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages

extension Supervisor {
    /// Connected clients, and sockets of former ones that are not closed yet.
    var openConnections: Int { places.reduce(doomed.count) { $0 + $1.slots.count } }

    /// Which sockets are watched, found anew in each turn: those whose gate is open and who have a worker to serve them,
    /// once the router serves.
    func updateAccepting(_ now: UInt64) {
        // A broker that has been ready never refuses: what comes while a worker is replaced waits for its successor.
        let isRouted = state == .ready || state == .starting && router?.phase == .ready
        for port in ports {
            let isServed = isRouted && port.places.contains(where: \.takesConnections)
            for (number, socket) in port.sockets {
                let isWatched = isServed && socket.gate.isOpen(now: now)
                guard isWatched != socket.isWatched else { continue }
                if isWatched {
                    guard (try? poller.add(socket.descriptor, .readable, tag: Source.port(number).tag)) != nil else {
                        continue
                    }
                } else {
                    poller.remove(socket.descriptor)
                }
                port.sockets[number]?.isWatched = isWatched
            }
        }
    }

    /// Connections wait at a listening socket.
    func accept(_ number: UInt32, _ now: UInt64) {
        // What came in the turn in which a restart has begun waits for the next supervisor.
        guard state != .parking, let port = ports.first(where: { $0.sockets[number] != nil }),
            var socket = port.sockets[number], socket.gate.isOpen(now: now)
        else { return }
        defer { port.sockets[number]?.gate = socket.gate }
        var batches = port.places.filter(\.takesConnections).map { Batch(place: $0) }
        var room = budget.connections - openConnections

        turn: for _ in 0..<AcceptGate.budget {
            // The least busy one; its slots are counted as they are given away.
            guard let chosen = batches.indices.min(by: { batches[$0].load < batches[$1].load }),
                !batches[chosen].place.slots.isFull || room <= 0
            else { break }
            var high: UInt64 = 0
            var low: UInt64 = 0
            var peerPort: UInt16 = 0
            // The call writes into the three.
            let descriptor = unsafe apus_accept(socket.descriptor, &high, &low, &peerPort)
            guard descriptor >= 0 else {
                switch socket.gate.failed(errno, now: now) {
                case .next: continue
                case .done: break turn
                case .refuseAndRest: refuseOne(socket.descriptor)
                case .rest: log(refused: "accepting failed: \(errorText(errno))", on: port)
                }
                timers.set(.rest(number), at: now + AcceptGate.rest)
                break turn
            }
            let peer = PeerAddress(high: high, low: low, port: peerPort)
            guard room > 0, let slot = batches[chosen].place.slots.open(descriptor) else {
                close(descriptor)
                totals.refused += 1
                log(refused: "\(budget.connections) clients are connected", on: port, from: peer)
                continue
            }
            room -= 1
            totals.accepted += 1
            // Brokers of a cluster compare them, too.
            lastAccept = max(lastAccept + 1, wallNanoseconds())
            let connection = Accepted.Connection(
                slot: slot.index, generation: slot.generation, acceptNumber: lastAccept, peer: peer)
            batches[chosen].place.slots.describe(connection)
            batches[chosen].connections.append(connection)
            batches[chosen].descriptors.append(descriptor)
        }
        for batch in batches { announce(batch.connections, batch.descriptors, in: batch.place, now) }
    }

    /// No descriptor is left: the reserve makes room to accept one connection and close it, so that its client need
    /// not wait for a time-out.
    private func refuseOne(_ socket: Int32) {
        if reserve >= 0 { close(reserve) }
        let connection = acceptAnonymously(socket)
        if connection >= 0 {
            close(connection)
            totals.refused += 1
        }
        reserve = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        Journal.log(
            .limitReached,
            [.limit: "descriptors", .reason: "accepting rests until a connection ends; raise LimitNOFILE="])
    }

    private func log(refused reason: String, on port: Port, from peer: PeerAddress? = nil) {
        let words = peer.map { "\($0.description) was refused, \(reason)" } ?? reason
        Journal.log(
            .limitReached,
            [
                .limit: "limits.connections", .reason: words, .listener: port.listener.name,
                .peer: peer?.description ?? "",
            ])
    }

    /// Something was closed: sockets that rest may try again.
    func openGates() {
        for port in ports {
            for (number, socket) in port.sockets where socket.gate.restsUntil != nil { endRest(number, of: port) }
        }
    }

    func endRest(_ number: UInt32) {
        if let port = ports.first(where: { $0.sockets[number] != nil }) { endRest(number, of: port) }
    }

    private func endRest(_ number: UInt32, of port: Port) {
        port.sockets[number]?.gate.open()
        timers.cancel(.rest(number))
    }

    /// Closes a port for good.
    func shut(_ port: Port) {
        for (number, socket) in port.sockets {
            if socket.isWatched { poller.remove(socket.descriptor) }
            timers.cancel(.rest(number))
        }
        port.closeAll()
    }
}

/// What one place gets in one turn.
private struct Batch {
    let place: Place
    var connections: [Accepted.Connection] = []
    var descriptors: [Int32] = []

    /// A full worker is the last one to be chosen.
    var load: Int { place.slots.isFull ? .max : place.slots.count }
}

extension Place {
    /// Whether connections can be given to it now: those who hold it keep up with what they were given, or it waits for
    /// someone to go on.
    fileprivate var takesConnections: Bool {
        guard arena != nil, !isRetired, !isGivenUp else { return false }
        guard let worker else { return true }
        return worker.phase == .ready ? !worker.channel.hasPending : past != .none
    }
}
