// One process of a listener takes over from another: a successor is prepared while the other serves, told everything that
// the place has, and serves from the moment at which that one has retired or died. Connections stay where they are.
//
// Who follows is decided in BuryWorker.swift (after a death) and Replace.swift (on purpose); here is how.

internal import Channel
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages

extension Supervisor {
    /// How long the router may take to say how far the streams have gone: milliseconds.
    private static let questionLimit: UInt64 = 2000

    // MARK: telling a successor what there is

    /// Sends a process the connections of its place, as fast as it takes them.
    func feed(_ worker: Worker, _ now: UInt64) {
        while worker.fed != Int.max, worker.phase != .ending, !worker.channel.hasPending {
            let part = worker.place.slots.connections(from: worker.fed, count: descriptorsPerPacket)
            if !part.connections.isEmpty {
                send(Accepted(part.connections), to: worker, descriptors: part.descriptors, now)
            }
            worker.fed = part.next
        }
        handOver(worker, now)
    }

    /// The processes that have to hear of what changes: the one that serves, and those that may.
    func holders(of place: Place) -> [Worker] {
        [place.worker, place.successor].compactMap { $0 }.filter { $0.phase != .ending && $0.phase != .retiring }
    }

    /// New connections of a place. Those beyond what a process was sent so far are sent in their turn.
    func announce(_ connections: [Accepted.Connection], _ descriptors: [Int32], in place: Place, _ now: UInt64) {
        for worker in holders(of: place) {
            let known = connections.indices.filter { Int(connections[$0].slot) < worker.fed }
            for start in stride(from: 0, to: known.count, by: descriptorsPerPacket) {
                let part = known[start..<min(start + descriptorsPerPacket, known.count)]
                send(
                    Accepted(part.map { connections[$0] }), to: worker, descriptors: part.map { descriptors[$0] }, now)
            }
        }
    }

    /// The process that serves has given connections back.
    func closed(_ closed: Closed, by worker: Worker, _ now: UInt64) {
        for slot in closed.slots {
            let reported = SlotTable.Slot(index: slot.slot, generation: slot.generation)
            if let descriptor = worker.place.slots.close(reported) { close(descriptor) }
        }
        for other in holders(of: worker.place) where other !== worker && !other.hasTakenOver {
            send(Released(closed.slots), to: other, now)
        }
        openGates()
    }

    // MARK: taking over

    func becamePrepared(_ worker: Worker, _ now: UInt64) {
        guard worker.phase == .starting else { return }
        worker.phase = .prepared
        timers.cancel(.start(worker.number))
        if worker.place.successor === worker { prepared(worker, now) }
        handOver(worker, now)
    }

    /// Lets the process that holds a place serve, once it is prepared and knows everything.
    func handOver(_ worker: Worker, _ now: UInt64) {
        let place = worker.place
        guard place.worker === worker, worker.phase == .prepared, !worker.hasTakenOver, !place.isAsking else { return }
        switch place.role {
        case .router: return handOver(router: worker, now)
        case .bridge, .auth: return takeOver(worker, now)
        case .listener: break
        }
        guard worker.fed == Int.max else { return }
        if place.past == .died, let remains = place.remains { offer(remains, to: worker, .abandoned, now) }
        guard let wire = wires.first(where: { $0.listener == place.number }) else {
            // The router is away, or was never joined to it.
            let router = router.flatMap { $0.phase == .ending ? nil : $0 }
            if let router { try? join(place, to: router, now) }
            takeOver(worker, now)
            if let router { handOver(router, now) }
            return
        }
        guard place.past == .died else {
            offer(wire, to: worker, .continued, now)
            return takeOver(worker, now)
        }
        guard let router = router, router.phase == .ready || router.hasTakenOver else {
            // Nobody has read from it.
            unwire(place, now)
            return handOver(worker, now)
        }
        place.isAsking = true
        timers.set(.question(place.number), at: now + Self.questionLimit)
        send(StreamQuestion(worker: place.number), to: router, now)
    }

    /// How long a router waits for listeners that are to go on, before it begins without them: milliseconds.
    private static let gatheringLimit: UInt64 = 1000

    /// Lets a router serve once every listener with connections has its channel: else what comes from one could be for
    /// clients of another that it does not know.
    private func handOver(router worker: Worker, _ now: UInt64) {
        let missing = places.contains { place in
            place.role == .listener && place.past != .none && !place.isGivenUp && !place.isRetired
                && !wires.contains { $0.listener == place.number }
        }
        let limit = (worker.gatheringSince ?? now) + Self.gatheringLimit
        guard missing, now < limit else { return takeOver(worker, now) }
        worker.gatheringSince = worker.gatheringSince ?? now
        timers.set(.gathering(worker.number), at: limit)
    }

    /// The router has said how far the streams have gone.
    func streamsAnswered(_ answer: StreamAnswer, _ now: UInt64) {
        guard let place = places.first(where: { $0.number == answer.worker }), place.isAsking else { return }
        endQuestion(place)
        guard answer.exists, let worker = place.worker, worker.phase == .prepared,
            let wire = wires.first(where: { $0.listener == place.number })
        else {
            // It has cut the channel meanwhile, or the successor has died as well: that one's successor asks anew.
            if !answer.exists { unwire(place, now) }
            if let worker = place.worker { handOver(worker, now) }
            return
        }
        place.isChannelHeld = true
        offer(wire, to: worker, .recovered(taken: answer.taken, put: answer.put), now)
        takeOver(worker, now)
    }

    /// It has not: a router that hangs is replaced, and the successor goes on without it.
    func questionExpired(_ number: UInt32, _ now: UInt64) {
        guard let place = places.first(where: { $0.number == number }), place.isAsking else { return }
        endQuestion(place)
        if let router { end(router, now) }
        if let wire = wires.first(where: { $0.listener == place.number }) {
            wires.removeAll { $0.listener == place.number }
            abandon(wire, of: place, now)
        }
        if let worker = place.worker { handOver(worker, now) }
    }

    func endQuestion(_ place: Place) {
        place.isAsking = false
        timers.cancel(.question(place.number))
    }

    private func takeOver(_ worker: Worker, _ now: UInt64) {
        worker.told = now
        send(TakeOver(afterDeath: worker.place.past == .died), to: worker, now)
        awaitReady(worker, now)
    }

    /// A worker serves: the router may write to a listener again, and the next successor is prepared.
    func serves(_ worker: Worker, _ now: UInt64) {
        let place = worker.place
        place.past = .inOrder
        if place.isChannelHeld, let router { send(StreamGo(worker: place.number), to: router, now) }
        place.isChannelHeld = false
        answerAskers(place, nil, now)
        rollGoesOn(place, now)
        prepareStandby(place, now)
        if place.role != .listener { joinBridge(now) }
        joinAuth(now)
    }

    /// The process that served has retired in order.
    func hasRetired(_ worker: Worker, _ now: UInt64) {
        let place = worker.place
        guard worker.phase == .retiring, place.worker === worker, state != .parking, let successor = place.successor
        else { return }
        place.past = .inOrder
        unwireRetired(place, now)
        promote(successor, now)
        timers.cancel(.retiring(worker.number))
        timers.set(.lingering(worker.number), at: now + 1000)
    }

    /// A listener's successor uses its channel; others get new ones.
    private func unwireRetired(_ place: Place, _ now: UInt64) {
        if !place.role.entry.holdsConnections { unwire(place, now) }
    }

    /// A successor holds the place from now on.
    func promote(_ successor: Worker, _ now: UInt64) {
        successor.place.successor = nil
        successor.place.state = .held(by: successor)
        if successor.place.role == .router { wire(successor, now) }
        // A former supervisor's, and kept for this.
        if successor.phase == .adopting { return ask(successor, now) }
        handOver(successor, now)
    }
}
