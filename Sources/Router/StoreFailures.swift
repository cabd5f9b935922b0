// The store can not take what it was given: nothing of it is acknowledged, publishers hear that, and everything that
// needs no store goes on.

import EventLoop
import Journal
import MQTT
import Messages
import Store

extension Router {
    /// A transaction is not on disk. What was to be forgotten or changed is tried again; what was to be added is given
    /// up, and its publishers are told.
    mutating func storeFailed(_ transaction: UInt64, _ failed: ChangeLog, _ failure: StoreFailure) {
        count(.storeFailures)
        isStoreFailing = true
        switch failure {
        case .full:
            if !isStoreFull { Journal.log(.storeFull, [.reason: "a transaction found no room"]) }
            isStoreFull = true
        case .io(let what): Journal.log(.storeFailed, [.reason: what])
        }
        let (retry, dropped) = failed.withoutMessages()
        for message in dropped { giveUp(message) }
        // Whoever waited for the transaction hears that it failed; what they asked for beside messages is tried again.
        var again: [Waiter] = []
        while let waiter = commits.next(through: transaction) {
            switch waiter {
            case .pending(let pending):
                pendings[pending].reason = .quotaExceeded
                settle(pending)
            case .entry(let entry, let session, let sequence):
                guard queues.isCurrent(entry, session, sequence) else { continue }
                if queues[entry].pending != noEntry { pendings[queues[entry].pending].reason = .quotaExceeded }
                giveUpEntry(entry)
            case .identified(let entry, let session, let sequence)
            where queues.isCurrent(entry, session, sequence) && !queues[entry].flags.contains(.written):
                // It has lost its row, and with it the identifier.
                giveUpEntry(entry)
            default: again.append(waiter)
            }
        }
        var whole = retry
        whole.append(log)
        log = whole
        retryAt = milliseconds + Self.retryInterval
        for waiter in again { commits.append(waiter, after: commits.submitted + 1) }
    }

    /// Milliseconds after a failure before the store is given anything again, unless it says that it has room.
    private static var retryInterval: UInt64 { 1000 }

    private mutating func giveUp(_ message: DroppedMessage) {
        switch message {
        case .entry(let session, let sequence, let bytes):
            let number = Int(session)
            guard number < sessions.count, sessions[number].isDurable else { return }
            let durable = Int(sessions[number].durable)
            guard durables[durable].stored > 0, sequence > durables[durable].loadedThrough else {
                return unwrite(number, sequence)
            }
            durables.removeStored(bytes: bytes, of: durable)
            sessions[number].queue.waiting -= 1
            sessions[number].queue.bytes -= min(bytes, sessions[number].queue.bytes)
        case .retained: break
        }
        count(.storeRefused)
    }

    /// A message that lies in memory too has no row after all.
    private mutating func unwrite(_ number: Int, _ sequence: UInt64) {
        var entry = sessions[number].queue.first
        while entry != noEntry, queues[entry].sequence != sequence { entry = queues[entry].next }
        guard entry != noEntry, queues[entry].flags.contains(.written) else { return }
        queues[entry].flags.subtract([.written, .identified])
        if queues[entry].message != noEntry { queues.messages[queues[entry].message].unwritten += 1 }
    }

    /// A message whose row is not on disk is not promised any more; one that was sent already is still in flight.
    private mutating func giveUpEntry(_ entry: UInt32) {
        if queues[entry].flags.contains(.queued) {
            finish(entry)
        } else {
            settle(queues[entry].pending)
            queues[entry].pending = noEntry
        }
    }

    mutating func spaceChanged(_ isLow: Bool) {
        guard isLow != isStoreFull else { return }
        isStoreFull = isLow
        retryAt = 0
        if isLow {
            Journal.log(
                .storeFull, [.reason: "the disk has less room than store.min_free, or the store is at store.max_bytes"])
        } else {
            Journal.log(.storeHasRoom, [:])
        }
    }
}
