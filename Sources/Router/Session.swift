// A session: what the router knows of one client.

import EventLoop
import Messages

/// One client's session, in a flat table; its number is its index there.
struct Session {
    /// The link of its connection; -1: it has none.
    var link: Int32 = -1
    var slot: UInt32 = 0
    var generation: UInt32 = 0
    /// 3, 4, 5; 0 for JSON.
    var version: UInt8 = 0
    var flags: Flags = []
    var keepAlive: UInt16 = 0
    var acceptNumber: UInt64 = 0
    var peer = PeerAddress(high: 0, low: 0, port: 0)
    /// QoS 1 and 2 messages that may be in flight to it.
    var receiveMaximum: UInt16 = 0
    /// Seconds of the router's clock.
    var connectedAt: UInt32 = 0
    /// Messages for it that were dropped and that the log does not know of.
    var dropped: UInt32 = 0
    var clientIdentifier: [UInt8] = []
    /// Packet identifiers in flight to the client.
    var outgoing = PacketWindow()
    /// Packet identifiers of the client's QoS 2 messages that it has not released.
    var incoming = PacketWindow()
    var queue = MessageQueue()
    /// The number of its `DurableState`; `noEntry`: it has none.
    var durable = noEntry
    /// The number of its `Backlog`; `noEntry`: nothing waits, or the store keeps it.
    var backlog = noEntry
    /// Acknowledgements that wait for the store or for other clients, in the order of the messages that they are for.
    var firstPending = noEntry
    var lastPending = noEntry

    struct Flags: OptionSet {
        let rawValue: UInt8
        /// Its connection's output is beyond the limit.
        static var congested: Flags { Flags(rawValue: 1) }
        /// In its link's list of sessions that wait for room.
        static var waiting: Flags { Flags(rawValue: 2) }
        /// There is such a session: the number is not free.
        static var exists: Flags { Flags(rawValue: 4) }
        /// It outlives its connection, and has a `DurableState`.
        static var durable: Flags { Flags(rawValue: 8) }
        /// CONNACK waits for the store; nothing may be sent before it.
        static var opening: Flags { Flags(rawValue: 16) }
        /// It has no connection.
        static var away: Flags { Flags(rawValue: 32) }
        /// What its client has of the former router's messages is being found out.
        static var resuming: Flags { Flags(rawValue: 64) }
        /// A former router has opened its connection.
        static var resumed: Flags { Flags(rawValue: 128) }

        /// Nothing can be sent to it now.
        static var silent: Flags {
            @inline(__always) get { Flags(rawValue: 1 | 16 | 32 | 64) }
        }
    }

    /// The JSON protocol has neither packet identifiers nor QoS 2 exchanges.
    var isJSON: Bool { version == 0 }

    var isDurable: Bool {
        @inline(__always) get { flags.contains(.durable) }
    }

    var isConnected: Bool { link >= 0 }
}
