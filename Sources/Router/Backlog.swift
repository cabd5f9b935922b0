// What waits for a connected client whose session ends with its connection. Where each message came from is known, and how
// far the client was given them: its listener keeps that, so that the next router hands out the others. A value without
// I/O; NoteBacklog.swift and KeepBacklog.swift use it.
//
// A frame of such a message is not released before the client was given it, or the store has it.

import EventLoop
import Messages

/// What is known of one session's backlog.
struct Backlog {
    var session: UInt32
    /// By the place of a listener: where the last frame ends of whose message it needs nothing more.
    var given: [StreamMark] = []
    /// By place: the last frame whose message the store had when the router began.
    var loaded: [StreamMark] = []
    /// It is in its link's list of those that the listener is to hear of.
    var isListed = false
    /// The listener keeps a note of it.
    var isTold = false
    /// The first entry that is in no store; `noEntry`: all are.
    var unkept = noEntry
    /// The last sequence in the store that is of no use any more, and what was said to be removed.
    var done: UInt64 = 0
    var removed: UInt64 = 0
    /// Where its link's output stood behind the last message that was given.
    var givenAt: UInt64 = 0

    /// Notes that of the frames of a place the client needs nothing more up to an offset.
    mutating func give(_ origin: StreamMark) { Self.raise(&given, origin) }
    mutating func load(_ origin: StreamMark) { Self.raise(&loaded, origin) }

    private static func raise(_ marks: inout [StreamMark], _ mark: StreamMark) {
        for index in marks.indices where marks[index].place == mark.place {
            marks[index].offset = mark.offset
            return
        }
        marks.append(mark)
    }

    /// Whether the client was given the message of a frame.
    func hasGiven(_ origin: StreamMark) -> Bool {
        given.contains { $0.place == origin.place && $0.offset >= origin.offset }
    }

    /// Whether the client was given it, or the store has it.
    func knows(_ origin: StreamMark) -> Bool {
        hasGiven(origin) || loaded.contains { $0.place == origin.place && $0.offset >= origin.offset }
    }
}

/// Where an entry of a backlog stands.
struct WaitingEntry {
    /// The end of the frame that it came with.
    var origin = StreamMark(place: 0, offset: 0)
    /// Its place in the session's part of the store; 0: it is not there; `givenUp`: nor is it to be.
    var sequence: UInt64 = 0
    static var givenUp: UInt64 { .max }
    /// Of the cut that it came before.
    var cut: UInt64 = 0
    /// The hash of its topic, if it is a retained message for a new subscription, which the next router finds by itself; 0: it
    /// is none.
    var retained: UInt64 = 0
}

/// Rows of the store that go as soon as the listener's socket has taken what made them needless.
struct BacklogRemoval {
    var link: Int
    var serial: UInt32
    var put: UInt64
    var session: UInt32
    var through: UInt64
}

/// The backlogs of all sessions.
struct Backlogs: ~Copyable {
    /// The place of messages that come from no listener's frame.
    static var broker: UInt32 { .max }

    private var table = Table<Backlog>()
    private var free: [UInt32] = []
    /// By the number of the queue's entry.
    private var waiting = Table<WaitingEntry>()
    /// Entries that hold frames back: in no store. How many of them came before the last cut, and its number.
    private(set) var count = 0
    private(set) var older = 0
    private var cut: UInt64 = 0
    /// The offset of the broker's own last message. Above all of former routers.
    var own: UInt64
    /// The sequence of the next row of any session.
    var nextSequence: UInt64 = 1
    /// Sessions that have a row in the store for the sake of their backlog.
    var stored: Set<UInt32> = []
    var removals: [BacklogRemoval] = []
    /// Sessions for which something waits that no frame has.
    var urgent: [UInt32] = []
    /// Bytes of a stream that may be held back before what waits is written.
    var limit: UInt64 = 1 << 20
    /// What is being written, a part a turn: the number of the next backlog; -1: nothing is.
    var keeping = -1
    /// The transaction that has the last that was written.
    var keptWith: UInt64 = 0
    /// What is being written left something out, because a listener had not taken what was before it; and the milliseconds
    /// of the router's clock since when that is so, 0 if it is not.
    var isBlocked = false
    var blockedSince: UInt64 = 0

    init(own: UInt64) { self.own = own }

    var indices: Range<Int> { table.indices }

    subscript(number: UInt32) -> Backlog {
        @inline(__always) get { table[Int(number)] }
        @inline(__always) _modify { yield &table[Int(number)] }
    }

    mutating func insert(_ backlog: Backlog) -> UInt32 {
        if let number = free.popLast() {
            table[Int(number)] = backlog
            return number
        }
        table.append(backlog)
        return UInt32(table.count - 1)
    }

    mutating func remove(_ number: UInt32) {
        table[Int(number)] = Backlog(session: noEntry)
        free.append(number)
    }

    /// An entry waits.
    mutating func append(_ entry: UInt32, _ origin: StreamMark, sequence: UInt64 = 0) {
        while waiting.count <= Int(entry) { waiting.append(WaitingEntry()) }
        waiting[Int(entry)] = WaitingEntry(origin: origin, sequence: sequence, cut: cut)
        if holdsBack(entry) { count &+= 1 }
    }

    /// An entry waits no longer.
    mutating func take(_ entry: UInt32) -> WaitingEntry {
        letGo(entry)
        return waiting[Int(entry)]
    }

    /// An entry is a retained message.
    mutating func note(_ entry: UInt32, retained hash: UInt64) { waiting[Int(entry)].retained = hash }
    func isRetained(_ entry: UInt32) -> Bool { waiting[Int(entry)].retained != 0 }

    /// An entry is in the store.
    mutating func keep(_ entry: UInt32) -> WaitingEntry {
        letGo(entry)
        waiting[Int(entry)].sequence = nextSequence
        nextSequence += 1
        return waiting[Int(entry)]
    }

    /// An entry is not kept over the router's death.
    mutating func giveUp(_ entry: UInt32) {
        letGo(entry)
        waiting[Int(entry)].sequence = WaitingEntry.givenUp
    }

    private func holdsBack(_ entry: UInt32) -> Bool {
        waiting[Int(entry)].sequence == 0 && waiting[Int(entry)].origin.place != Self.broker
    }

    private mutating func letGo(_ entry: UInt32) {
        guard holdsBack(entry) else { return }
        count &-= 1
        if waiting[Int(entry)].cut != cut { older &-= 1 }
    }

    /// Counts from now on those that wait now.
    mutating func makeCut() {
        cut &+= 1
        older = count
    }
}
