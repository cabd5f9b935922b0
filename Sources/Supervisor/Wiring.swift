// Joins workers that talk to each other by a socketpair, tells a worker when its peer has gone, and sends frames on
// control channels. Who talks to whom stands in the role table.

internal import CLinux
internal import Channel
internal import EventLoop
internal import Glibc
internal import Messages

extension Supervisor {
    /// The process that holds the router's place.
    var router: Worker? { places.first { $0.role == .router }?.worker }

    var bridgePlace: Place? { places.first { $0.role == .bridge && !$0.isRetired } }

    /// Gives a new router a channel to each listener that serves, or is about to, and to the bridge. The others get theirs when
    /// they do.
    func wire(_ router: Worker, _ now: UInt64) {
        for place in places where place.role.entry.peers.contains(.router) && place.worker?.hasTakenOver == true {
            guard let listener = place.worker, listener.phase != .ending else { continue }
            do throws(SystemError) {
                try join(place, to: router, now)
            } catch {
                // Without its channel it can not become ready: it is killed in time, and tried again.
                log(router, cut: "\(error)")
                continue
            }
            awaitReady(listener, now)
        }
    }

    /// Gives a bridge its channel that serves from now on, if there is a router.
    func joinBridge(_ now: UInt64) {
        guard let router, router.phase == .ready || router.hasTakenOver, let place = bridgePlace,
            place.worker?.phase == .ready,
            !wires.contains(where: { $0.joins(place.number) })
        else { return }
        do throws(SystemError) {
            try join(place, to: router, now)
        } catch {
            // It has nothing to do without its channel: another one tries again.
            if let worker = place.worker {
                log(worker, cut: "\(error)")
                end(worker, now)
            }
        }
    }

    /// Makes a new channel between a listener, or the bridge, and the router.
    func join(_ place: Place, to router: Worker, _ now: UInt64) throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        // The kernel writes two descriptors into an array of two.
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw SystemError("create a channel") }
        let wire = Wire(
            serial: nextNumber(), listener: place.number, router: router.place.number, listenerEnd: ends[0],
            routerEnd: ends[1])
        wires.append(wire)
        // The router first, so that it knows the channel before anything arrives on it.
        let toRouter = ChannelOffer(
            peerRole: place.role, peerWorker: place.number, peerName: place.name, serial: wire.serial)
        send(toRouter, to: router, descriptors: [wire.routerEnd], now)
        if let worker = place.worker { offer(wire, to: worker, .none, now) }
    }

    /// Offers a listener, or the bridge, its end of a channel.
    func offer(_ wire: Wire, to worker: Worker, _ history: ChannelOffer.History, _ now: UInt64) {
        let offer = ChannelOffer(
            peerRole: .router, peerWorker: wire.router, peerName: Role.router.name, serial: wire.serial,
            history: history)
        send(offer, to: worker, descriptors: [wire.listenerEnd], now)
    }

    /// How long a peer has to take note before it sees the channel end: milliseconds.
    private static let cutDelay: UInt64 = 1000

    /// Cuts the channels of a place and tells its peers, that first. Of a router's its listeners keep what it has said.
    func unwire(_ place: Place, _ now: UInt64) {
        for wire in wires where wire.joins(place.number) {
            let peer = places.first { $0.number == wire.peer(of: place.number) }
            if let worker = peer?.worker { send(PeerGone(worker: place.number), to: worker, now) }
            peer?.isChannelHeld = false
            if place.role == .router, let peer, peer.role.entry.holdsConnections {
                abandon(wire, of: peer, now)
            } else {
                timers.set(.cut(wire.listenerEnd, wire.routerEnd), at: now + Self.cutDelay)
            }
        }
        wires.removeAll { $0.joins(place.number) }
        // Whoever waited for a dead router's word goes on without it.
        guard place.role == .router else { return }
        for listener in places where listener.isAsking {
            endQuestion(listener)
            if let worker = listener.worker { handOver(worker, now) }
        }
    }

    /// A channel leads nowhere any more. What came through it is kept until the listener has no use for it.
    func abandon(_ wire: Wire, of place: Place, _ now: UInt64) {
        forgetRemains(of: place)
        place.remains = wire
        timers.set(.cut(wire.routerEnd, -1), at: now + Self.cutDelay)
    }

    func forgetRemains(of place: Place) {
        if let wire = place.remains { close(wire.listenerEnd) }
        place.remains = nil
    }

    func send(_ frame: some Frame, to worker: Worker, descriptors: [Int32] = [], _ now: UInt64) {
        sendFrame(frame.encoded(), to: worker, descriptors: descriptors, now)
    }

    /// Sends a frame, or keeps it until the worker takes it. A worker that can not be told is replaced.
    func sendFrame(_ frame: [UInt8], to worker: Worker, descriptors: [Int32], _ now: UInt64) {
        guard worker.phase != .ending else { return }
        do throws(SystemError) {
            try worker.channel.send(frame, descriptors: descriptors)
            watchForRoom(worker, now)
        } catch {
            channelFailed(worker, error, now)
        }
    }

    /// The control channel has room again, or may have.
    func flush(_ worker: Worker, _ now: UInt64) {
        guard worker.phase != .ending else { return }
        do throws(SystemError) {
            _ = try worker.channel.flush()
            watchForRoom(worker, now)
            if worker.fed != Int.max, worker.place.arena != nil { feed(worker, now) }
        } catch {
            channelFailed(worker, error, now)
        }
    }

    /// Waits for room in the socket while frames are pending; where descriptors are what the kernel takes no more of,
    /// the socket would always seem to have room, so a timer waits instead.
    private func watchForRoom(_ worker: Worker, _ now: UInt64) {
        let channel = worker.channel.descriptor
        let isPending = worker.channel.hasPending
        if isPending, worker.channel.waitsForDescriptors { timers.set(.flush(worker.number), at: now + 10) }
        let awaitsRoom = isPending && !worker.channel.waitsForDescriptors
        guard awaitsRoom != worker.awaitsRoom else { return }
        worker.awaitsRoom = awaitsRoom
        try? poller.modify(
            channel, awaitsRoom ? [.readable, .writable] : .readable, tag: Source.worker(worker.number).tag)
    }

    private func channelFailed(_ worker: Worker, _ error: SystemError, _ now: UInt64) {
        // The other end closed: it is exiting, and what it still said will be read.
        if error.code == EPIPE || error.code == ECONNRESET { return }
        log(worker, cut: "\(error)")
        end(worker, now)
    }
}
