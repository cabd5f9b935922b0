// The router's side of the store: changes are collected during a turn and handed over at its end, and what may only
// happen once they are on disk waits here for their transaction. The loop never waits.

import EventLoop
import Journal
import Messages
import Store

/// What waits for a transaction.
enum Waiter {
    /// A message of a session's queue was written.
    case entry(UInt32, session: UInt32, sequence: UInt64)
    /// A publisher's acknowledgement.
    case pending(UInt32)
    /// An acknowledgement for a client of a link, as long as that is the same worker's.
    case answer(link: Int, worker: UInt32, SlotEntry)
    /// A frame for a link.
    case frame(link: Int, worker: UInt32, [UInt8])
    /// CONNACK goes out, and the session's messages behind it.
    case opened(session: UInt32, acceptNumber: UInt64, [UInt8])
    /// All of a session that is away lies in the store: memory need not keep it.
    case away(session: UInt32, acceptNumber: UInt64)
}

/// What waits for the transactions that are not on disk, in the order in which it is to happen.
struct Commits: ~Copyable {
    /// The last transaction that was handed over, and the last that is on disk.
    var submitted: UInt64 = 0
    var committed: UInt64 = 0
    private var waiters: [(transaction: UInt64, waiter: Waiter)] = []
    private var first = 0

    var isEmpty: Bool { first == waiters.count }

    mutating func append(_ waiter: Waiter, after transaction: UInt64) { waiters.append((transaction, waiter)) }

    /// The next that waits for a transaction up to `transaction`.
    mutating func next(through transaction: UInt64) -> Waiter? {
        guard first < waiters.count, waiters[first].transaction <= transaction else {
            if first > 4096, first * 2 > waiters.count {
                waiters.removeFirst(first)
                first = 0
            }
            return nil
        }
        first += 1
        let waiter = waiters[first - 1].waiter
        if first == waiters.count {
            waiters.removeAll(keepingCapacity: first <= 65_536)
            first = 0
        }
        return waiter
    }
}

extension Router {
    /// Has something happen once the changes collected so far are on disk, those that it depends on included; at once where the configuration says that
    /// nothing waits for the disk.
    mutating func waitForCommit(_ waiter: Waiter) {
        let transaction = log.isEmpty ? commits.submitted : commits.submitted + 1
        if waitsForDisk, transaction > commits.committed {
            commits.append(waiter, after: transaction)
        } else {
            release(waiter)
        }
    }

    /// Hands over what the turn has changed, if the writer is idle; else it is joined by what comes meanwhile.
    mutating func commitTurn() {
        writeLingering()
        if !log.isEmpty || isHeld { holdBack() }
        guard !log.isEmpty, !store.isBusy, milliseconds >= retryAt else { return }
        if !waitsForDisk, !isStopped {
            guard milliseconds &- submittedAt >= Self.commitInterval else { return }
        }
        submit()
    }

    /// Bytes of changes that wait for the disk beyond which listeners are not read until half of them are written. Their
    /// own limits then hold their publishers back, and TCP the others.
    static var changesLimit: Int { 8 << 20 }

    private mutating func holdBack() {
        let waiting = log.byteCount + store.pendingBytes
        guard isHeld ? waiting <= Self.changesLimit / 2 : waiting > Self.changesLimit else { return }
        isHeld.toggle()
        if isHeld { count(.storeHeldBack) }
        for link in links.indices where links[link].isOpen { watch(link, forRoom: links[link].isWatchedForRoom) }
    }

    /// How often changes are written where nothing waits for it.
    private static var commitInterval: UInt64 { 1000 }

    mutating func submit() {
        submittedAt = milliseconds
        commits.submitted = store.submit(&log, clock: clock.mark(reading))
    }

    /// What the store has done since it was last asked.
    mutating func handleStore() { handle(store.receive()) }

    mutating func handle(_ events: [StoreEvent]) {
        for event in events {
            switch event {
            case .committed(let transaction, let trimmed):
                commits.committed = transaction
                for trim in trimmed { settle(trim) }
                while let waiter = commits.next(through: transaction) { release(waiter) }
                readAgain()
            case .failed(let transaction, let log, let failure): storeFailed(transaction, log, failure)
            case .space(let isLow): spaceChanged(isLow)
            case .page(let page): take(page)
            case .retained(let page): loadRetained(page)
            case .damaged(let what):
                Journal.log(.storeDamaged, [.reason: what])
                end("the store is damaged: the next router sets it aside")
            }
        }
    }

    private mutating func release(_ waiter: Waiter) {
        switch waiter {
        case .entry(let entry, let session, let sequence):
            // It may have been acknowledged meanwhile.
            guard queues.isCurrent(entry, session, sequence) else { return }
            settle(queues[entry].pending)
            queues[entry].pending = noEntry
            if queues[entry].flags.contains(.awaitsCommit) {
                queues[entry].flags.remove(.awaitsCommit)
                wait(Int(session))
            }
        case .pending(let pending): settle(pending)
        case .answer(let link, let worker, let entry):
            guard isWorker(worker, at: link) else { return }
            links[link].acknowledge(entry)
            links[link].isTouched = true
        case .frame(let link, let worker, let frame):
            guard isWorker(worker, at: link) else { return }
            links[link].append(frame)
            links[link].isTouched = true
        case .opened(let session, let acceptNumber, let frame): opened(Int(session), acceptNumber, frame)
        case .away(let session, let acceptNumber): evict(Int(session), acceptNumber)
        }
    }

    private func isWorker(_ worker: UInt32, at link: Int) -> Bool {
        link < links.count && links[link].isOpen && links[link].worker == worker
    }

    /// An answer that concerns a durable session: it follows the transaction that its request is part of.
    mutating func answer(_ number: Int, _ frame: [UInt8]) {
        let link = Int(sessions[number].link)
        guard link >= 0 else { return }
        if sessions[number].isDurable {
            waitForCommit(.frame(link: link, worker: links[link].worker, frame))
        } else {
            links[link].append(frame)
        }
    }
}
