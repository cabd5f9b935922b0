// The data channel to the router: attached when the supervisor offers it, written once a turn, read in batches.

import Arena
import Channel
import Connection
import EventLoop
import Glibc
import Journal
import MQTT
import Messages

extension Listener {
    /// Takes a channel to a new router, and tells it what it has to know. With the first one the listener is ready.
    mutating func attachRouter(_ descriptor: Int32, _ offer: ChannelOffer) throws(SystemError) {
        if router >= 0 { detachRouter() }
        arena.endChannel()
        unreportedBatches = 0
        prelude = makePrelude()
        preludeSent = 0
        arena.rewindQueue(channel: offer.serial, prelude: prelude.count)
        try watchRouter(descriptor, worker: offer.peerWorker)
        flushFrames()
        reportReady()
    }

    /// Uses a channel from where it stands.
    mutating func watchRouter(_ descriptor: Int32, worker: UInt32) throws(SystemError) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        router = descriptor
        routerWorker = worker
        routerIsWatchedForRoom = false
        try poller.add(descriptor, .readable, tag: Tag.router)
    }

    /// With its first channel the listener serves.
    mutating func reportReady() {
        guard router >= 0, !hasReported.ready else { return }
        hasReported.ready = true
        report(Ready())
    }

    /// The router is gone. What it has said is applied; our clients wait for the next one, which is told of them.
    mutating func routerIsGone() {
        guard router >= 0 else { return }
        drainChannel(router)
        detachRouter()
    }

    /// Uses the channel no more.
    mutating func detachRouter() {
        guard router >= 0 else { return }
        poller.remove(router)
        Glibc.close(router)
        router = -1
        routerWorker = 0
        prelude = []
        preludeSent = 0
    }

    /// One write of what the turn has committed.
    mutating func flushFrames() {
        guard router >= 0 else { return }
        if !prelude.isEmpty, !flushPrelude() { return }
        let frames = arena.unsentFrames()
        if frames.byteCount > 0 {
            switch send(router, frames) {
            case .bytes(let count):
                arena.framesSent(count)
                watchRouter(forRoom: count < frames.byteCount)
            case .wouldBlock: watchRouter(forRoom: true)
            case .ended, .failed:
                // The supervisor holds the other end too, so this is no death: the channel was cut.
                cutRouter("it takes no more frames")
            }
        } else {
            watchRouter(forRoom: false)
        }
    }

    /// - Returns: whether the router has all of it.
    @inline(never)
    private mutating func flushPrelude() -> Bool {
        while preludeSent < prelude.count {
            switch send(router, prelude.span.raw.extracting(droppingFirst: preludeSent)) {
            case .bytes(let count): preludeSent += count
            case .wouldBlock:
                watchRouter(forRoom: true)
                return false
            case .ended, .failed:
                cutRouter("it takes no more frames")
                return false
            }
        }
        prelude = []
        preludeSent = 0
        return true
    }

    private mutating func watchRouter(forRoom: Bool) {
        guard forRoom != routerIsWatchedForRoom else { return }
        routerIsWatchedForRoom = forRoom
        do {
            try poller.modify(router, forRoom ? [.readable, .writable] : .readable, tag: Tag.router)
        } catch {
            end("\(error)", status: 1)
        }
    }

    /// The router broke the catalogue: reports it, to be replaced, and goes on without it.
    mutating func cutRouter(_ reason: String) {
        guard router >= 0 else { return }
        Journal.log(.channelCut, [.worker: "router", .generation: "", .reason: reason])
        report(Fault(worker: routerWorker, what: reason))
        detachRouter()
    }
}
