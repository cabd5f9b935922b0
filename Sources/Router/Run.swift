// The router's turn: wait, handle what the listeners sent, send each of them one batch or a few.

import Channel
import EventLoop
import Messages
import Store

extension Router {
    /// Turns until the supervisor says stop or goes away. Fatal: epoll that fails.
    mutating func run() {
        var isSweeping = false
        while !isStopped {
            let count: Int
            do {
                // A link that was left touched has more to send that nobody will wake us for.
                let goesOn = links.contains { $0.isOpen && $0.isTouched }
                count = try poller.wait(
                    milliseconds: goesOn || isSweeping || canLoad || canTellInterests || canTalk ? 0 : patience)
            } catch {
                fatalError("\(error)")
            }
            readClocks()
            for index in 0..<count {
                let tag = poller.tag(index)
                if tag == Tag.control {
                    handleControl()
                } else if tag == Tag.store {
                    handleStore()
                } else {
                    handleLink(Int(truncatingIfNeeded: tag), poller.readiness(index))
                }
            }
            guard !isStopped else { return }
            if isRecovering { continueRecovery() }
            if !isStarting {
                isSweeping = expire()
                if canLoad { loadMore(isBusy: count > 0) }
                publishSystemTopics()
                logDropped()
                continueReplays()
                if canTellInterests { tellInterests() }
                if canTalk { talk() }
            }
            for link in links.indices where links[link].isTouched { flush(link) }
            commitTurn()
            releaseFrames()
            lookForSupervisor()
            if control.hasPending { _ = try? control.flush() }
        }
    }

    private mutating func readClocks() {
        milliseconds = monotonicMilliseconds()
        let second = UInt32(truncatingIfNeeded: milliseconds / 1000)
        guard second != seconds else { return }
        seconds = second
        reading = .current()
        now = UInt32(clamping: clock.now(reading))
    }

    /// How many milliseconds the router may wait for events.
    private var patience: Int32 {
        if let first = lingering.first {
            return Int32(clamping: max(1, Int64(first.since &+ Self.lingering) - Int64(milliseconds)))
        }
        var patience = min(replays.patience, patienceForReleases)
        if !log.isEmpty { patience = min(patience, Int32(Self.removalInterval)) }
        // What is left to be written is so in the turns that follow; that listeners are not read may have had its time.
        if isHeld || backlogs.keeping >= 0 { patience = min(patience, 2) }
        return isStarting ? min(patience, 10) : patience
    }

    private mutating func handleLink(_ link: Int, _ readiness: Poller.Interest) {
        guard links[link].isOpen else { return }
        if readiness.contains(.writable) { links[link].isTouched = true }
        if !readiness.isDisjoint(with: [.readable, .hangUp]) { receiveFrames(link) }
    }
}
