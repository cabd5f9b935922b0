// What a worker tells the supervisor.

/// What a process runs.
package struct Program: Equatable, Sendable {
    /// The version of Apus.
    package var version: String
    /// The layout that it writes.
    package var layout: UInt16
    /// The file that it runs, which its path may no longer name.
    package var file: FileIdentity

    package init(version: String, layout: UInt16, file: FileIdentity) {
        self.version = version
        self.layout = layout
        self.file = file
    }

    /// This process's.
    package static var own: Self { Self(version: apusVersion, layout: Layout.inForce, file: .ofThisProcess) }

    /// Its layout is that of the frame.
    package func write(to writer: inout FrameWriter) {
        writer.string(version)
        writer.integer(file.device)
        writer.integer(file.inode)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        version = try reader.string()
        file = FileIdentity(device: try reader.integer(), inode: try reader.integer())
        layout = reader.layout
    }
}

/// The worker has its settings and its channels, and serves.
package struct Ready: Frame, Equatable {
    package static let type = FrameType.ready
    package var program: Program
    package init(_ program: Program = .own) { self.program = program }
    package func write(to writer: inout FrameWriter) { program.write(to: &writer) }
    package init(from reader: inout FrameReader) throws(FrameError) { program = try Program(from: &reader) }
}

/// The answer to a heartbeat, with the worker's counters since it started, in the order of its role's table.
package struct Pong: Frame, Equatable {
    package static let type = FrameType.pong
    package var sequence: UInt64
    package var counters: [UInt64]

    package init(sequence: UInt64, counters: [UInt64]) {
        self.sequence = sequence
        self.counters = counters
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(sequence)
        writer.integer(UInt32(counters.count))
        for counter in counters { writer.integer(counter) }
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        sequence = try reader.integer()
        counters = []
        for _ in 0..<(try reader.count(ofItemsOf: 8)) { counters.append(try reader.integer()) }
    }
}

/// Connections that the listener has shut down and forgotten: the supervisor closes its duplicates, and the slots are
/// free. The router has handled the end of each.
package struct Closed: Frame, Equatable {
    package static let type = FrameType.closed
    package struct Slot: Equatable, Sendable {
        package var slot: UInt32
        package var generation: UInt32
        package init(slot: UInt32, generation: UInt32) {
            self.slot = slot
            self.generation = generation
        }
    }
    package var slots: [Slot]
    package init(_ slots: [Slot]) { self.slots = slots }

    package func write(to writer: inout FrameWriter) {
        writer.integer(UInt32(slots.count))
        for slot in slots {
            writer.integer(slot.slot)
            writer.integer(slot.generation)
        }
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        slots = []
        for _ in 0..<(try reader.count(ofItemsOf: 8)) {
            slots.append(Slot(slot: try reader.integer(), generation: try reader.integer()))
        }
    }
}

/// The worker has done what `Stop` asked and is about to exit with status 0.
package struct Stopped: Frame, Equatable {
    package static let type = FrameType.stopped
    package init() {}
    package func write(to writer: inout FrameWriter) {}
    package init(from reader: inout FrameReader) throws(FrameError) {}
}

/// Rows that answer a `Query`.
package struct Answer: Frame, Equatable {
    package static let type = FrameType.answer

    /// A connected client, as `apusctl clients` shows it.
    package struct Client: Equatable, Sendable {
        package var clientIdentifier: String
        package var listener: String
        package var peer: PeerAddress
        /// 3, 4 or 5 for MQTT 3.1, 3.1.1 and 5.0; 0 for the JSON protocol.
        package var version: UInt8
        /// Seconds.
        package var connected: UInt32
        package var keepAlive: UInt16
        package var subscriptions: UInt32

        package init(
            clientIdentifier: String, listener: String, peer: PeerAddress, version: UInt8, connected: UInt32,
            keepAlive: UInt16, subscriptions: UInt32
        ) {
            self.clientIdentifier = clientIdentifier
            self.listener = listener
            self.peer = peer
            self.version = version
            self.connected = connected
            self.keepAlive = keepAlive
            self.subscriptions = subscriptions
        }
    }

    package var number: UInt32
    /// Where the next query of the same kind goes on; `nil` when this was all.
    package var nextCursor: UInt32?
    package var clients: [Client]

    package init(number: UInt32, nextCursor: UInt32?, clients: [Client]) {
        self.number = number
        self.nextCursor = nextCursor
        self.clients = clients
    }

    package func write(to writer: inout FrameWriter) {
        writer.integer(number)
        writer.boolean(nextCursor != nil)
        writer.integer(nextCursor ?? 0)
        writer.integer(UInt32(clients.count))
        for client in clients {
            writer.string(client.clientIdentifier)
            writer.string(client.listener)
            client.peer.write(to: &writer)
            writer.integer(client.version)
            writer.integer(client.connected)
            writer.integer(client.keepAlive)
            writer.integer(client.subscriptions)
        }
    }

    package init(from reader: inout FrameReader) throws(FrameError) {
        number = try reader.integer()
        let more = try reader.boolean()
        let cursor: UInt32 = try reader.integer()
        nextCursor = more ? cursor : nil
        clients = []
        for _ in 0..<(try reader.count(ofItemsOf: 37)) {
            clients.append(
                Client(
                    clientIdentifier: try reader.string(), listener: try reader.string(),
                    peer: try PeerAddress(from: &reader), version: try reader.integer(),
                    connected: try reader.integer(), keepAlive: try reader.integer(),
                    subscriptions: try reader.integer()))
        }
    }
}

/// A peer sent what the catalogue does not allow; its channel was cut. The supervisor replaces that peer.
package struct Fault: Frame, Equatable {
    package static let type = FrameType.fault
    package var worker: UInt32
    package var what: String

    package init(worker: UInt32, what: String) {
        self.worker = worker
        self.what = what
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(worker)
        writer.string(what)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        worker = try reader.integer()
        what = try reader.string()
    }
}
