// What new subscriptions still have to get of the retained messages. A value without I/O; RetainedReplays+Continue.swift
// hands the messages out.

import EventLoop

/// What a new subscription still has to get.
struct RetainedReplay {
    var filter: [UInt8]
    var qos: UInt8
    /// The subscription's identifier as a property; empty where there is none, or the protocol has none.
    var properties: [UInt8]
    var cursor = RetainedSet.Cursor()
    /// Whether the message at the cursor was found when the session could not take it.
    var isHolding = false
}

/// The replays of one session, which come one after another.
struct SessionReplays {
    var session: UInt32
    var waiting: [RetainedReplay] = []
    /// The first of `waiting` that is not finished.
    var first = 0
    /// The seed of the topics' hashes.
    var seed = UInt64.random(in: .min ... .max)
    /// Hashes of topics that the first gave and the listener has not heard of; how many it gave in all.
    var given: [UInt64] = []
    var kept = 0
    /// How many of the first's messages are in the session's queue, and are none that it gave.
    var queued = 0
    /// Those that it gave under a former router.
    var skipped: Set<UInt64> = []
    /// The listener is to hear of it; its replays are others than it knows; the first is another.
    var isListed = false
    var isChanged = false
    var isReset = false

    /// The first is finished.
    mutating func removeFirst() {
        first += 1
        forgetGiven()
        // What is finished goes away by and by, though new ones may come faster than all are.
        guard first >= 16, first * 2 >= waiting.count else { return }
        waiting.removeFirst(first)
        first = 0
    }

    /// What the first has given does not matter any more.
    mutating func forgetGiven() {
        given = []
        skipped = []
        kept = 0
        isChanged = true
        isReset = true
    }
}

/// The replays of all sessions, which take turns.
struct RetainedReplays {
    /// Messages that one turn of the router gives out.
    private static var messagesOfTurn: Int { 256 }
    /// Steps of searches that it takes for that.
    private static var stepsOfTurn: Int { 4096 }

    var sessions: [SessionReplays] = []
    /// The index in `sessions` by the session's number.
    private var positions: [UInt32: Int] = [:]
    /// Sessions whose listener keeps a note of them.
    var told: Set<UInt32> = []
    /// Whose turn it is.
    var next = 0
    /// What this turn of the router has left.
    var messages = messagesOfTurn
    var steps = stepsOfTurn
    /// Whether somebody got on and had to stop only because the turn had nothing left.
    var canGoOn = false

    var hasBudget: Bool { messages > 0 && steps > 0 }

    mutating func beginTurn() {
        messages = Self.messagesOfTurn
        steps = Self.stepsOfTurn
    }

    /// How many milliseconds the router may wait for events. What sessions wait for is an event too, as a rule; the
    /// few milliseconds are for a queue that became short while it was sent.
    var patience: Int32 { canGoOn ? 0 : sessions.isEmpty ? 1000 : 10 }

    func position(of session: UInt32) -> Int? { positions[session] }

    /// Adds a replay, and returns the index of its session in `sessions`.
    mutating func append(_ replay: RetainedReplay, to session: UInt32) -> Int {
        if let known = positions[session] {
            sessions[known].waiting.append(replay)
            return known
        }
        positions[session] = sessions.count
        sessions.append(SessionReplays(session: session, waiting: [replay]))
        return sessions.count - 1
    }

    /// Takes a session's replays out; the last takes their place.
    mutating func remove(at position: Int) {
        positions[sessions[position].session] = nil
        let last = sessions.removeLast()
        guard position < sessions.count else { return }
        sessions[position] = last
        positions[last.session] = position
    }
}
