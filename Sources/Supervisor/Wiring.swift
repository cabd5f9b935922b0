// Joins workers that talk to each other by a socketpair, tells a worker when its peer has gone, and sends frames on
// control channels. Who talks to whom stands in the role table.

internal import CLinux
internal import Channel
internal import EventLoop
internal import Glibc
internal import Messages

extension Supervisor {
    /// Gives a new worker a channel to each living worker of the roles that it talks to.
    func wire(_ worker: Worker, _ now: UInt64) {
        let peers = worker.place.role.entry.peers
        for peer in workers.values.sorted(by: { $0.number < $1.number })
        where peers.contains(peer.place.role) && peer.phase != .ending {
            let (listener, router) = worker.place.role == .listener ? (worker, peer) : (peer, worker)
            do throws(SystemError) {
                try join(listener, router, now)
            } catch {
                // Without its channel it can not become ready: it is killed in time, and tried again.
                log(worker, cut: "\(error)")
                continue
            }
            awaitReady(peer, now)
        }
    }

    private func join(_ listener: Worker, _ router: Worker, _ now: UInt64) throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        // The kernel writes two descriptors into an array of two.
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw SystemError("create a channel") }
        wires.append(
            Wire(listener: listener.number, router: router.number, listenerEnd: ends[0], routerEnd: ends[1]))
        // The router first, so that it knows the channel before anything arrives on it.
        for (worker, end, peer) in [(router, ends[1], listener), (listener, ends[0], router)] {
            let offer = ChannelOffer(
                peerRole: peer.place.role, peerWorker: peer.number, peerName: peer.place.name)
            send(offer, to: worker, descriptors: [end], now)
        }
    }

    /// How long a peer has to take note before it sees the channel end: milliseconds.
    private static let cutDelay: UInt64 = 1000

    /// Cuts a dead worker's channels and tells its peers, that first.
    func unwire(_ worker: Worker, _ now: UInt64) {
        for wire in wires where wire.joins(worker.number) {
            if let peer = workers[wire.peer(of: worker.number)] {
                send(PeerGone(worker: worker.number), to: peer, now)
            }
            timers.set(.cut(wire.listenerEnd, wire.routerEnd), at: now + Self.cutDelay)
        }
        wires.removeAll { $0.joins(worker.number) }
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
