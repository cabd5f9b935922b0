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
    /// The packet identifier of such a message was: it may be used.
    case identified(UInt32, session: UInt32, sequence: UInt64)
    /// A publisher's acknowledgement.
    case pending(UInt32)
    /// An acknowledgement for a client.
    case answer(Request, SlotEntry)
    /// A frame for a listener.
    case frame(Request, [UInt8])
    /// CONNACK goes out, and the session's messages behind it.
    case opened(Request, session: UInt32, acceptNumber: UInt64, [UInt8])
    /// The receipts of a session are: PUBREL may go out.
    case receipts(session: UInt32)
    /// All of a session that is away lies in the store: memory need not keep it.
    case away(session: UInt32, acceptNumber: UInt64)

    /// The frame that it answers; nil: it is no answer.
    var request: Request? {
        switch self {
        case .answer(let request, _), .frame(let request, _), .opened(let request, _, _, _): request
        default: nil
        }
    }
}

/// Which frame an answer is for.
struct Request {
    var link: Int
    /// The link's: it may be another channel by then.
    var serial: UInt32
    /// Where the frame begins in the listener's stream.
    var offset: UInt64
}

/// What waits for the transactions that are not on disk, in the order in which it is to happen.
struct Commits: ~Copyable {
    /// The last transaction that was handed over, and the last that is on disk.
    var submitted: UInt64 = 0
    var committed: UInt64 = 0
    private var waiters: [(transaction: UInt64, waiter: Waiter)] = []
    private var first = 0

    var isEmpty: Bool { first == waiters.count }

    /// Whether something waits for a transaction that was not handed over.
    var isUrgent: Bool { first < waiters.count && waiters[waiters.count - 1].transaction > submitted }

    /// First come, first served: behind one that waits for a later transaction it waits for that, too.
    mutating func append(_ waiter: Waiter, after transaction: UInt64) {
        waiters.append((isEmpty ? transaction : max(transaction, waiters[waiters.count - 1].transaction), waiter))
    }

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
    /// Has something happen once the changes collected so far are on disk, those that it depends on included; at once
    /// where the configuration says that nothing waits for the disk.
    mutating func waitForCommit(_ waiter: Waiter) {
        let transaction = log.isEmpty && !seen.isTouched ? commits.submitted : commits.submitted + 1
        if waitsForDisk, transaction > commits.committed {
            commits.append(waiter, after: transaction)
            if let request = waiter.request { links[request.link].postpone(request.offset) }
        } else {
            release(waiter)
        }
    }

    /// The frame of a link that is being handled.
    func request(_ link: Int) -> Request {
        Request(link: link, serial: links[link].serial, offset: links[link].frameStart)
    }

    /// Hands over what the turn has changed, if the writer is idle; else it is joined by what comes meanwhile.
    mutating func commitTurn() {
        writeLingering()
        keepBacklogs()
        if seen.isTouched { seen.write(to: &log) }
        if !log.isEmpty || isHeld || unreleased > Self.unreleasedLimit / 2 { holdBack() }
        // What is handled anew has its whole effect on the store only at the end.
        guard !log.isEmpty, !store.isBusy, milliseconds >= retryAt, !isReplaying else { return }
        if !isStopped, unreleased <= Self.unreleasedLimit / 4 {
            // Where nobody waits for it, it may become more; what is acknowledged meanwhile is not written.
            let interval = !waitsForDisk ? Self.commitInterval : commits.isUrgent ? 0 : Self.removalInterval
            guard milliseconds &- submittedAt >= interval else { return }
        }
        submit()
    }

    /// Bytes of changes that wait for the disk beyond which listeners are not read until half of them are written; nor are
    /// they while what waits for sessions that end with their connections is not (`isKeepingBehind`). Their own limits then
    /// hold their publishers back, and TCP the others.
    static var changesLimit: Int { 8 << 20 }

    private mutating func holdBack() {
        let waiting = log.byteCount + store.pendingBytes
        let isBehind = waiting > (isHeld ? Self.changesLimit / 2 : Self.changesLimit) || isKeepingBehind
        guard isBehind != isHeld else { return }
        isHeld.toggle()
        if isHeld { count(.storeHeldBack) }
        for link in links.indices where links[link].isOpen { watch(link, forRoom: links[link].isWatchedForRoom) }
    }

    /// How often changes are written where nothing waits for it.
    private static var commitInterval: UInt64 { 1000 }
    /// The same of changes that only forget what is in the store.
    static var removalInterval: UInt64 { 40 }

    /// The store has at each moment the state at the end of a turn: what would be written in a moment goes with the rest,
    /// and how far the streams are in it.
    mutating func submit() {
        writeLingering(all: true)
        if seen.isTouched { seen.write(to: &log) }
        putMarks()
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
                isStoreFailing = false
                for trim in trimmed { settle(trim) }
                while let waiter = commits.next(through: transaction) {
                    release(waiter)
                    if let request = waiter.request, isCurrent(request) {
                        links[request.link].complete(request.offset)
                    }
                }
                readAgain()
            case .failed(let transaction, let log, let failure): storeFailed(transaction, log, failure)
            case .space(let isLow): spaceChanged(isLow)
            case .page(let page): take(page)
            case .retained(let page): retainedPage = page
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
        case .identified(let entry, let session, let sequence):
            guard queues.isCurrent(entry, session, sequence) else { return }
            queues[entry].flags.remove(.awaitsCommit)
            wait(Int(session))
        case .pending(let pending): settle(pending)
        case .answer(let request, let entry):
            guard isCurrent(request) else { return }
            links[request.link].acknowledge(entry)
            links[request.link].isTouched = true
        case .frame(let request, let frame):
            guard isCurrent(request) else { return }
            links[request.link].append(frame)
            links[request.link].isTouched = true
        case .opened(let request, let session, let acceptNumber, let frame):
            guard isCurrent(request) else { return }
            opened(Int(session), acceptNumber, frame)
        case .receipts(let session): wait(Int(session))
        case .away(let session, let acceptNumber): evict(Int(session), acceptNumber)
        }
    }

    func isCurrent(_ request: Request) -> Bool {
        links[request.link].isOpen && links[request.link].serial == request.serial
    }

    /// An answer that concerns a durable session: it follows the transaction that its request is part of.
    mutating func answer(_ number: Int, _ frame: [UInt8]) {
        let link = Int(sessions[number].link)
        guard link >= 0 else { return }
        if sessions[number].isDurable {
            waitForCommit(.frame(request(link), frame))
        } else {
            links[link].append(frame)
        }
    }
}
