// What the supervisor tells a worker. Control channels are sequenced-packet sockets: a frame is one packet, and the
// descriptors that it announces travel with it. No packet is longer than `controlPacketLimit`.

/// The longest control frame in bytes, and the most descriptors that one may carry (the kernel's SCM_MAX_FD).
package let controlPacketLimit = 65_536
package let descriptorsPerPacket = 253

/// The first frame: who the worker is.
package struct Welcome: Frame, Equatable {
    package static let type = FrameType.welcome
    package var role: Role
    /// The number of the place that the worker holds, or is to hold: it names the worker on channels, and its successors.
    package var worker: UInt32
    /// Counts the processes that have held this place: 1 for the first.
    package var generation: UInt32
    /// The name of a listener in the configuration (with `/n` for the n-th worker of a port), or that of the role.
    package var name: String
    /// The layout that the worker is to write: the frame's own.
    package let layout: UInt16

    package init(role: Role, worker: UInt32, generation: UInt32, name: String) {
        layout = Layout.inForce
        self.role = role
        self.worker = worker
        self.generation = generation
        self.name = name
    }

    package func write(to writer: inout FrameWriter) {
        writer.integer(role.rawValue)
        writer.integer(worker)
        writer.integer(generation)
        writer.string(name)
    }

    package init(from reader: inout FrameReader) throws(FrameError) {
        layout = reader.layout
        guard let role = Role(rawValue: try reader.integer()) else { throw FrameError("unknown role") }
        self.role = role
        worker = try reader.integer()
        generation = try reader.integer()
        name = try reader.string()
    }
}

/// One end of the channel to another worker; one descriptor comes with it. A second offer for the same worker number
/// replaces the first.
package struct ChannelOffer: Frame, Equatable {
    package static let type = FrameType.channelOffer

    /// What has gone through the channel before.
    package enum History: Equatable, Sendable {
        /// Nothing: both sides begin with `Hello`.
        case none
        /// A former process of this place has used it, and has retired in order: its totals are exact.
        case continued
        /// A former process has used it and died. Of its stream the peer has taken `taken` bytes, those that wait for it
        /// in the socket included; of its own it has put `put` bytes into the socket, and puts no more until `StreamGo`.
        case recovered(taken: UInt64, put: UInt64)
        /// A former process may have used it, and died. Its peer is gone: what that has said is to be read, and no more.
        case abandoned
    }

    package var peerRole: Role
    package var peerWorker: UInt32
    package var peerName: String
    /// Tells the channel from all others of this supervisor's; never 0.
    package var serial: UInt32
    package var history: History

    package init(peerRole: Role, peerWorker: UInt32, peerName: String, serial: UInt32, history: History = .none) {
        self.peerRole = peerRole
        self.peerWorker = peerWorker
        self.peerName = peerName
        self.serial = serial
        self.history = history
    }

    package func write(to writer: inout FrameWriter) {
        writer.integer(peerRole.rawValue)
        writer.integer(peerWorker)
        writer.string(peerName)
        writer.integer(serial)
        let (kind, taken, put): (UInt8, UInt64, UInt64) =
            switch history {
            case .none: (0, 0, 0)
            case .continued: (1, 0, 0)
            case .recovered(let taken, let put): (2, taken, put)
            case .abandoned: (3, 0, 0)
            }
        writer.integer(kind)
        writer.integer(taken)
        writer.integer(put)
    }

    package init(from reader: inout FrameReader) throws(FrameError) {
        guard let role = Role(rawValue: try reader.integer()) else { throw FrameError("unknown role") }
        peerRole = role
        peerWorker = try reader.integer()
        peerName = try reader.string()
        serial = try reader.integer()
        let kind: UInt8 = try reader.integer()
        let taken: UInt64 = try reader.integer()
        let put: UInt64 = try reader.integer()
        switch kind {
        case 0: history = .none
        case 1: history = .continued
        case 2: history = .recovered(taken: taken, put: put)
        case 3: history = .abandoned
        default: throw FrameError("unknown history of a channel")
        }
    }
}

/// The arena of a listener: one descriptor, a memfd that the supervisor has sized and laid out.
package struct ArenaOffer: Frame, Equatable {
    package static let type = FrameType.arenaOffer
    package var byteCount: UInt64

    package init(byteCount: UInt64) { self.byteCount = byteCount }
    package func write(to writer: inout FrameWriter) { writer.integer(byteCount) }
    package init(from reader: inout FrameReader) throws(FrameError) { byteCount = try reader.integer() }
}

/// Connections that the supervisor has accepted for a listener; as many descriptors come with it, in the same order.
package struct Accepted: Frame, Equatable {
    package static let type = FrameType.accepted

    package struct Connection: Equatable, Sendable {
        package var slot: UInt32
        package var generation: UInt32
        /// Grows with every connection that the broker accepts; decides between two claims to one client id.
        package var acceptNumber: UInt64
        package var peer: PeerAddress

        package init(slot: UInt32, generation: UInt32, acceptNumber: UInt64, peer: PeerAddress) {
            self.slot = slot
            self.generation = generation
            self.acceptNumber = acceptNumber
            self.peer = peer
        }
    }

    package var connections: [Connection]
    package init(_ connections: [Connection]) { self.connections = connections }

    package func write(to writer: inout FrameWriter) {
        writer.integer(UInt32(connections.count))
        for connection in connections {
            writer.integer(connection.slot)
            writer.integer(connection.generation)
            writer.integer(connection.acceptNumber)
            connection.peer.write(to: &writer)
        }
    }

    package init(from reader: inout FrameReader) throws(FrameError) {
        let count = try reader.count(ofItemsOf: 16 + PeerAddress.byteCount)
        connections = []
        connections.reserveCapacity(count)
        for _ in 0..<count {
            connections.append(
                Connection(
                    slot: try reader.integer(), generation: try reader.integer(), acceptNumber: try reader.integer(),
                    peer: try PeerAddress(from: &reader)))
        }
    }
}

/// A heartbeat; the worker answers with `Pong` and the same number.
package struct Ping: Frame, Equatable {
    package static let type = FrameType.ping
    package var sequence: UInt64
    /// For the router: the sums of all listeners' counters, in the order of `ListenerCounter`; else empty.
    package var listeners: [UInt64]

    package init(sequence: UInt64, listeners: [UInt64] = []) {
        self.sequence = sequence
        self.listeners = listeners
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(sequence)
        writer.integer(UInt32(listeners.count))
        for value in listeners { writer.integer(value) }
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        sequence = try reader.integer()
        listeners = []
        for _ in 0..<(try reader.count(ofItemsOf: 8)) { listeners.append(try reader.integer()) }
    }
}

/// Stop in good order: a listener takes no more connections, tells its clients (MQTT 5: DISCONNECT with
/// `reasonCode`), flushes, and answers `Stopped`; a router answers `Stopped` when it has handled what has arrived.
package struct Stop: Frame, Equatable {
    package static let type = FrameType.stop
    /// 0x8B, server shutting down; 0x9C or 0x9D where clients shall go elsewhere.
    package var reasonCode: UInt8
    /// Milliseconds that the worker may take before it is killed.
    package var limit: UInt32

    package init(reasonCode: UInt8, limit: UInt32) {
        self.reasonCode = reasonCode
        self.limit = limit
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(reasonCode)
        writer.integer(limit)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        reasonCode = try reader.integer()
        limit = try reader.integer()
    }
}

/// The worker at the other end of a channel is gone and will not come back under this number: the channel is cut, what
/// belonged to it ends.
package struct PeerGone: Frame, Equatable {
    package static let type = FrameType.peerGone
    package var worker: UInt32
    package init(worker: UInt32) { self.worker = worker }
    package func write(to writer: inout FrameWriter) { writer.integer(worker) }
    package init(from reader: inout FrameReader) throws(FrameError) { worker = try reader.integer() }
}

/// A question of the operator's, passed on to the router, which answers with one `Answer` of the same number.
package struct Query: Frame, Equatable {
    package static let type = FrameType.query
    package enum Kind: UInt8, Sendable {
        /// One row a client, `cursor` rows skipped.
        case clients = 1
        /// Disconnects the client `text`; the answer has one row if there was one.
        case kick = 2
    }
    package var number: UInt32
    package var kind: Kind
    package var cursor: UInt32
    package var text: String

    package init(number: UInt32, kind: Kind, cursor: UInt32 = 0, text: String = "") {
        self.number = number
        self.kind = kind
        self.cursor = cursor
        self.text = text
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(number)
        writer.integer(kind.rawValue)
        writer.integer(cursor)
        writer.string(text)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        number = try reader.integer()
        guard let kind = Kind(rawValue: try reader.integer()) else { throw FrameError("unknown query") }
        self.kind = kind
        cursor = try reader.integer()
        text = try reader.string()
    }
}
