// Makes what is retained the same at all brokers of a cluster where changes were not heard: by a broker that is new, that lost its
// queue, or that had retained messages before. A broker that begins asks the others; one that has other things offers them, is asked
// for them, tells them, and is told what it had not. Each turn does a piece.

import EventLoop
import Messages

struct RetainedSync {
    enum Task {
        /// Add everything up, and say so to whom.
        case count(next: UInt32, RetainedDigest, Purpose)
        case tell(next: UInt32, RetainedDigest.Parts, to: UInt64?)
    }

    enum Purpose {
        case ask
        /// Offer what differs from this.
        case answer(UInt64, RetainedDigest)
        case sent(UInt64)
        /// Tell what differs from this.
        case compare(RetainedDigest)
    }

    /// Conversations that may be under way; more are not begun, and who asked asks again.
    static let limit = 16
    /// Milliseconds after a bridge's connection at which is asked: by the first its queue may not be bound yet.
    static let schedule: [UInt64] = [2000, 15_000, 60_000]
    /// Milliseconds in which who offered something has to tell it.
    static let patience: UInt64 = 60_000

    let name = UInt64.random(in: 1 ... .max)
    var tasks: [Task] = []
    /// Milliseconds of the router's clock.
    var asksAt: [UInt64] = []
    /// What this broker last said that it has.
    var asked = RetainedDigest()
    /// Whose offer was taken, and until when others' are not.
    var isServedUntil: UInt64 = 0

    mutating func add(_ task: Task) {
        if tasks.count < Self.limit { tasks.append(task) }
    }
}

extension Router {
    /// Messages that are looked at in a turn, and bytes that are told in one message.
    private static var retainedAtOnce: UInt32 { 4096 }
    private static var bytesAtOnce: Int { 32 << 10 }
    /// Messages that wait for the bridge up to which others of the broker's own are put behind them.
    static var shortBridgeQueue: UInt32 { 64 }

    /// The bridge has a connection: what was missed is made up for soon.
    mutating func beginSync() {
        sync.tasks = []
        sync.asksAt = settings.bridge?.isCluster == true ? RetainedSync.schedule.map { milliseconds + $0 } : []
    }

    /// Whether there is something to do for it now.
    var canSync: Bool {
        guard !isLoadingRetained else { return false }
        return !sync.tasks.isEmpty || (sync.asksAt.first.map { milliseconds >= $0 } ?? false)
    }

    /// Does the next piece.
    mutating func continueSync() {
        if let due = sync.asksAt.first, milliseconds >= due {
            sync.asksAt.removeFirst()
            sync.add(.count(next: 0, RetainedDigest(), .ask))
        }
        guard !sync.tasks.isEmpty else { return }
        switch sync.tasks.removeFirst() {
        case .count(let next, let digest, let purpose): count(next, digest, purpose)
        case .tell(let next, let parts, let receiver): tell(next, parts, receiver)
        }
    }

    private mutating func count(_ next: UInt32, _ digest: RetainedDigest, _ purpose: RetainedSync.Purpose) {
        var digest = digest
        let end = min(next + Self.retainedAtOnce, retained.numbers.upperBound)
        for number in next..<end where retained.has(number) && !retained[number].isCleared {
            let topic = retained.topic(of: number)
            guard !isOver(retained[number].expiresAt), isShared(topic.span) else { continue }
            digest.add(topic.span, stamp: stamp(of: number))
        }
        guard end == retained.numbers.upperBound else {
            return sync.tasks.insert(.count(next: end, digest, purpose), at: 0)
        }
        switch purpose {
        case .ask:
            sync.asked = digest
            say(.ask(digest), to: 0)
        case .answer(let other, let theirs): if digest != theirs { say(.offer(digest), to: other) }
        case .sent(let other): say(.sent(digest), to: other)
        case .compare(let theirs):
            let parts = digest.difference(theirs)
            if !parts.isEmpty { sync.add(.tell(next: 0, parts, to: nil)) }
        }
    }

    private mutating func tell(_ next: UInt32, _ parts: RetainedDigest.Parts, _ receiver: UInt64?) {
        var message = [RetainedItem.version]
        var next = next
        let end = min(next + Self.retainedAtOnce, retained.numbers.upperBound)
        while next < end, message.count < Self.bytesAtOnce {
            defer { next += 1 }
            guard retained.has(next) else { continue }
            let topic = retained.topic(of: next)
            guard parts.contains(RetainedDigest.part(of: topic.span)), !isOver(retained[next].expiresAt),
                isShared(topic.span)
            else { continue }
            item(next).append(to: &message)
        }
        if message.count > 1 { tellCluster(RetainedItem.topic, message) }
        if next < retained.numbers.upperBound {
            sync.tasks.insert(.tell(next: next, parts, to: receiver), at: 0)
        } else if let receiver {
            sync.add(.count(next: 0, RetainedDigest(), .sent(receiver)))
        }
    }

    private mutating func say(_ words: SyncMessage.Words, to receiver: UInt64) {
        tellCluster(SyncMessage.topic, SyncMessage(sender: sync.name, receiver: receiver, words).encoded)
    }

    /// Another broker has said something.
    mutating func hear(_ message: SyncMessage) {
        guard message.receiver == 0 || message.receiver == sync.name else { return }
        switch message.words {
        case .ask(let theirs): sync.add(.count(next: 0, RetainedDigest(), .answer(message.sender, theirs)))
        case .offer(let theirs):
            guard milliseconds >= sync.isServedUntil else { return }
            let parts = sync.asked.difference(theirs)
            guard !parts.isEmpty else { return }
            sync.isServedUntil = milliseconds + RetainedSync.patience
            say(.send(parts), to: message.sender)
        case .send(let parts): sync.add(.tell(next: 0, parts, to: message.sender))
        case .sent(let theirs):
            sync.isServedUntil = 0
            sync.add(.count(next: 0, RetainedDigest(), .compare(theirs)))
        }
    }
}
