// A session: what the router knows of one client.

import Messages

/// One client's session, in a flat table; its number is its index there.
struct Session {
    /// The link of its connection; -1: the number is free.
    var link: Int32 = -1
    var slot: UInt32 = 0
    var generation: UInt32 = 0
    /// 3, 4, 5; 0 for JSON.
    var version: UInt8 = 0
    var flags: Flags = []
    var keepAlive: UInt16 = 0
    var acceptNumber: UInt64 = 0
    var peer = PeerAddress(high: 0, low: 0, port: 0)
    /// Seconds of the router's clock.
    var connectedAt: UInt32 = 0
    /// QoS 1 and 2 messages that may be in flight to it.
    var receiveMaximum: UInt16 = 0
    var clientIdentifier: [UInt8] = []
    /// Packet identifiers in flight to the client.
    var outgoing = PacketWindow()
    /// Packet identifiers of the client's QoS 2 messages that it has not released.
    var incoming = PacketWindow()
    var queue = MessageQueue()

    struct Flags: OptionSet {
        let rawValue: UInt8
        /// Its connection's output is beyond the limit.
        static var congested: Flags { Flags(rawValue: 1) }
        /// In its link's list of sessions that wait for room.
        static var waiting: Flags { Flags(rawValue: 2) }
    }

    /// The JSON protocol has neither packet identifiers nor QoS 2 exchanges.
    var isJSON: Bool { version == 0 }
}
