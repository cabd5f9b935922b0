// The router's orderly end, with another to follow or not: whatever it knows that nobody else does goes to the store, and
// whatever it has to say to its listeners is said.

import EventLoop
import Glibc
import Messages
import Store

extension Router {
    /// Milliseconds that listeners may take to read the last of what is said.
    private static var lastWords: UInt64 { 250 }

    /// Everything that is to outlive the router is written, and the store closed.
    private mutating func closeStore(isFollowed: Bool) {
        // What is being taken over is as whole in the store, and with the listeners, as it was before.
        guard !isRecovering else {
            store.close(isFollowed: isFollowed)
            return
        }
        for number in sessions.indices where sessions.has(number) && sessions[number].isConnected {
            if sessions[number].isDurable { writeQueue(number) } else { keepWholeBacklog(of: number) }
        }
        writeLingering(all: true)
        if !log.isEmpty { submit() }
        handle(store.close(isFollowed: isFollowed))
    }

    /// Ends in order: nothing is read any more.
    /// - Parameter isFollowed: another router waits to begin.
    mutating func retire(isFollowed: Bool = false) {
        closeStore(isFollowed: isFollowed)
        let limit = monotonicMilliseconds() + Self.lastWords
        for link in links.indices where links[link].isOpen {
            // What is not answered yet, because a member of a group has not acknowledged it, is for the next router to answer.
            if !isRecovering, log.isEmpty, commits.submitted == commits.committed, pendings.count == 0 {
                links[link].released = max(links[link].released, links[link].handled)
                links[link].wantsRelease = true
            }
            closeBatch(link)
            sayLast(link, limit)
        }
        isStopped = true
    }

    /// The kernel takes tens of milliseconds to take the memory of many messages back, and those who follow need the processor
    /// for something better.
    func standBack() { _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19) }

    private mutating func sayLast(_ link: Int, _ limit: UInt64) {
        while !links[link].isHeld, links[link].outputStart < links[link].outputEnd {
            let count = links[link].outputEnd - links[link].outputStart
            switch send(links[link].descriptor, links[link].output.span(links[link].outputStart, count)) {
            case .bytes(let sent): links[link].outputStart += sent
            case .wouldBlock:
                let now = monotonicMilliseconds()
                guard now < limit else { return }
                waitForRoom(links[link].descriptor, milliseconds: Int32(limit - now))
            case .ended, .failed: return
            }
        }
    }

    /// Writes what of a durable session's queue the store does not know.
    private mutating func writeQueue(_ number: Int) {
        var entry = sessions[number].queue.first
        while entry != noEntry {
            if queues[entry].isUnwritten { write(entry) }
            if queues[entry].sequence != 0, queues[entry].packetIdentifier != 0,
                !queues[entry].flags.contains(.identified)
            {
                identify(entry)
            }
            entry = queues[entry].next
        }
    }
}
