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
    /// Takes a channel to a new router and greets it. With the first one the listener is ready.
    mutating func attachRouter(_ descriptor: Int32, worker: UInt32) throws(SystemError) {
        if router >= 0 { detachRouter() }
        arena.resetQueue()
        arena.resetBatches()
        unreportedBatches = 0
        try watchRouter(descriptor, worker: worker)
        tellRouter(Hello(worker: welcome.worker, generation: welcome.generation))
        commitFrames()
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

    /// The router is gone, and the sessions of our clients with it: they are told to come again.
    mutating func detachRouter() {
        guard router >= 0 else { return }
        poller.remove(router)
        Glibc.close(router)
        router = -1
        routerWorker = 0
        endSessions()
    }

    /// No router knows of our clients any more.
    mutating func endSessions() {
        for slot in 0..<sockets.count where sockets[slot].descriptor >= 0 && state(slot).isOpen {
            switch state(slot) {
            case .connecting, .connected:
                close(slot, .serverUnavailable, tellClient: true, detail: "the router ended")
            default: break
            }
        }
        // Nobody is left who could handle the ends of connections.
        for index in departing.indices { departing[index].end = 0 }
        releaseDeparted()
    }

    /// One write of what the turn has committed.
    mutating func flushFrames() {
        guard router >= 0 else { return }
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
        Journal.log(.channelCut, [.worker: "router", .reason: reason])
        report(Fault(worker: routerWorker, what: reason))
        detachRouter()
    }
}
