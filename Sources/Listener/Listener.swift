// The listener: what one worker of a port holds. Its verbs are in the files beside this one; `Run.swift` is the turn
// that calls them.
//
// Everything that must outlive the process lies in the arena. What is here is private and can be rebuilt from it and
// from what the supervisor says: descriptors, which sockets are watched for what, who has something to send.

import Arena
import Channel
import Connection
import EventLoop
import Messages
import WebSocket

/// A listener worker. One value, held by `main` for as long as the process lives.
package struct Listener: ~Copyable {
    var settings = ListenerSettings()
    var welcome: Welcome
    var control: ControlChannel
    var poller: Poller
    var arena: Arena
    /// Private facts about each slot, grown as slots come into use.
    var sockets: [SlotSocket] = []
    /// The data channel to the router; -1 while there is none.
    var router: Int32 = -1
    /// Of the router that the channel leads to.
    var routerWorker: UInt32 = 0
    var routerIsWatchedForRoom = false
    /// What a new router is told before the stream goes on, and how much of it was sent.
    var prelude: [UInt8] = []
    var preludeSent = 0

    /// Slots with output to send at the turn's end, each once.
    var dirty: [UInt32] = []
    /// Slots whose input waits for credit, in the order in which they came.
    var held: [UInt32] = []
    /// Closed slots that the router has not confirmed, and where in the stream to it their end stands.
    var departing: [(slot: UInt32, end: UInt64)] = []
    /// Where the acknowledgements of the step under way are collected.
    var acknowledgements = (start: UInt64(0), count: 0)
    /// Bytes of the router's stream that `Consumed` has not yet given back.
    var unreportedBatches = 0

    var clock = LoopClock()
    /// Who checks who may connect.
    var auth = AuthLink()

    var counters = InlineArray<24, UInt64>(repeating: 0)
    /// The slot that was looked at last for time-outs, when that was, and what is due since, in slots × milliseconds.
    var sweepPosition = 0
    var sweptAt: UInt64 = 1000
    var sweepDue: UInt64 = 0
    var openConnections = 0
    /// Set by `Stop`: no more connections; the worker ends when all are closed or at this loop time.
    var stopDeadline: UInt64?
    /// Set by `Retire`: another process goes on from the end of this turn.
    var isRetiring = false
    var hasReported = Reports()

    /// The supervisor, and when it was looked for last.
    var guardian = Guardian()
    var guardedAt: UInt64 = 0

    var json = JSONState()

    /// What was already said to the supervisor.
    struct Reports {
        var ready = false
        var stopped = false
    }

    init(
        welcome: Welcome, settings: ListenerSettings, control: consuming ControlChannel, arena: consuming Arena
    ) throws(SystemError) {
        let poller = try Poller()
        try poller.add(control.descriptor, .readable, tag: Tag.control)
        self.welcome = welcome
        self.settings = settings
        self.control = control
        self.arena = arena
        self.poller = poller
        sockets.reserveCapacity(1024)
        dirty.reserveCapacity(1024)
    }

    @inline(__always)
    mutating func count(_ counter: ListenerCounter, by amount: Int = 1) {
        counters[counter.rawValue] &+= UInt64(truncatingIfNeeded: amount)
    }
}

/// What only this process knows of a slot.
struct SlotSocket {
    var descriptor: Int32 = -1
    var flags: Flags = []

    struct Flags: OptionSet {
        let rawValue: UInt8
        /// In the list of slots with output.
        static var dirty: Flags { Flags(rawValue: 1) }
        /// The kernel tells when the socket takes more.
        static var awaitsRoom: Flags { Flags(rawValue: 2) }
        /// Not read: credit is used up, or CONNECT is not answered.
        static var held: Flags { Flags(rawValue: 4) }
        /// The router was told to queue for its session.
        static var congested: Flags { Flags(rawValue: 8) }
    }
}

/// Lasting facts of a connection: bits of its slot's `flags`.
enum SlotFlags {
    /// CONNECT asked for a session that outlives the connection.
    static var sessionOutlives: UInt8 { 1 }
    /// CONNECT asked for no reason strings (MQTT 5 §3.1.2.11.7).
    static var wantsNoReasons: UInt8 { 2 }
    /// The client takes topic aliases, and the configuration lets them be given.
    static var takesAliases: UInt8 { 4 }
    /// The router was told to queue for its session, or is about to be.
    static var congested: UInt8 { 8 }
    /// The handshake carried a forwarding header: its client is not where its address says.
    static var forwarded: UInt8 { 16 }
    /// CONNECT was answered with success: a new router has to be told of the connection until its end is safe.
    static var accepted: UInt8 { 32 }
    /// The store keeps the session.
    static var durable: UInt8 { 64 }
}

/// The tags of descriptors that are not connections.
enum Tag {
    static var control: UInt64 { UInt64.max }
    static var router: UInt64 { UInt64.max - 1 }
    static var auth: UInt64 { UInt64.max - 2 }
}
