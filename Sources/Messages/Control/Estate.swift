// Frames by which one supervisor takes over from another, which was restarted or has died: what it leaves beside descriptors,
// and what the workers that live on tell the next one.

/// What a supervisor leaves: which workers there are, and what belongs to whom. The descriptors lie with the service manager
/// under names that the numbers in here are part of. No frame between processes: it is kept in a memory file.
package struct Estate: Frame, Equatable {
    package static let type = FrameType.estate

    /// A process.
    package struct Worker: Equatable, Sendable {
        /// The supervisor's number for it: its control channel is called by that.
        package var number: UInt32
        package var generation: UInt32
        package var process: Int32

        package init(number: UInt32, generation: UInt32, process: Int32) {
            self.number = number
            self.generation = generation
            self.process = process
        }
    }

    /// A place in the process tree.
    package struct Place: Equatable, Sendable {
        package var number: UInt32
        package var role: Role
        package var name: String
        /// How many processes have held it, and how many of them have served.
        package var generation: UInt32
        package var served: UInt32
        /// Whether the last one died, and nobody has gone on since.
        package var hasDied: Bool
        /// The process that serves.
        package var worker: Worker?
        /// The process that waits to go on, and has everything that it needs.
        package var successor: Worker?

        package init(
            number: UInt32, role: Role, name: String, generation: UInt32, served: UInt32, hasDied: Bool,
            worker: Worker?, successor: Worker?
        ) {
            self.number = number
            self.role = role
            self.name = name
            self.generation = generation
            self.served = served
            self.hasDied = hasDied
            self.worker = worker
            self.successor = successor
        }
    }

    /// A channel between two places.
    package struct Wire: Equatable, Sendable {
        package var serial: UInt32
        package var listener: UInt32
        package var router: UInt32
        /// Its router is gone.
        package var isAbandoned: Bool

        package init(serial: UInt32, listener: UInt32, router: UInt32, isAbandoned: Bool) {
            self.serial = serial
            self.listener = listener
            self.router = router
            self.isAbandoned = isAbandoned
        }
    }

    /// The last number that was given to anything.
    package var lastNumber: UInt32
    /// The last connection that was accepted, as far as this was noted.
    package var lastAccept: UInt64
    package var places: [Place]
    package var wires: [Wire]
    /// The layout that the broker is in: the frame's own.
    package let layout: UInt16

    package init(lastNumber: UInt32, lastAccept: UInt64, places: [Place], wires: [Wire]) {
        self.lastNumber = lastNumber
        self.lastAccept = lastAccept
        self.places = places
        self.wires = wires
        layout = Layout.inForce
    }

    package func write(to writer: inout FrameWriter) {
        writer.integer(lastNumber)
        writer.integer(lastAccept)
        writer.integer(UInt32(places.count))
        for place in places { place.write(to: &writer) }
        writer.integer(UInt32(wires.count))
        for wire in wires {
            writer.integer(wire.serial)
            writer.integer(wire.listener)
            writer.integer(wire.router)
            writer.boolean(wire.isAbandoned)
        }
    }

    package init(from reader: inout FrameReader) throws(FrameError) {
        layout = reader.layout
        lastNumber = try reader.integer()
        lastAccept = try reader.integer()
        places = []
        for _ in 0..<(try reader.count(ofItemsOf: 17)) { places.append(try Place(from: &reader)) }
        wires = []
        for _ in 0..<(try reader.count(ofItemsOf: 13)) {
            wires.append(
                Wire(
                    serial: try reader.integer(), listener: try reader.integer(), router: try reader.integer(),
                    isAbandoned: try reader.boolean()))
        }
    }
}

extension Estate.Place {
    fileprivate func write(to writer: inout FrameWriter) {
        writer.integer(number)
        writer.integer(role.rawValue)
        writer.string(name)
        writer.integer(generation)
        writer.integer(served)
        writer.boolean(hasDied)
        Estate.Worker.write(worker, to: &writer)
        Estate.Worker.write(successor, to: &writer)
    }

    fileprivate init(from reader: inout FrameReader) throws(FrameError) {
        number = try reader.integer()
        guard let role = Role(rawValue: try reader.integer()) else { throw FrameError("unknown role") }
        self.role = role
        name = try reader.string()
        generation = try reader.integer()
        served = try reader.integer()
        hasDied = try reader.boolean()
        worker = try Estate.Worker.read(from: &reader)
        successor = try Estate.Worker.read(from: &reader)
    }
}

extension Estate.Worker {
    fileprivate static func write(_ worker: Self?, to writer: inout FrameWriter) {
        writer.boolean(worker != nil)
        guard let worker else { return }
        writer.integer(worker.number)
        writer.integer(worker.generation)
        writer.integer(UInt32(bitPattern: worker.process))
    }

    fileprivate static func read(from reader: inout FrameReader) throws(FrameError) -> Self? {
        guard try reader.boolean() else { return nil }
        return Self(
            number: try reader.integer(), generation: try reader.integer(),
            process: Int32(bitPattern: try reader.integer() as UInt32))
    }
}

/// To a worker that serves, or a listener's that waits to: this is another supervisor. A listener answers with its connections,
/// behind `Ready` if it serves, each worker then with `Adopted`.
package struct Adopt: Frame, Equatable {
    package static let type = FrameType.adopt
    /// The supervisor's.
    package var process: Int32
    package init(process: Int32) { self.process = process }
    package func write(to writer: inout FrameWriter) { writer.integer(UInt32(bitPattern: process)) }
    package init(from reader: inout FrameReader) throws(FrameError) {
        process = Int32(bitPattern: try reader.integer() as UInt32)
    }
}

/// Connections of a place, with a descriptor for each: from a listener to a supervisor that does not know them, and from
/// a supervisor that ends in order to the next.
package struct Held: Frame, Equatable {
    package static let type = FrameType.held
    package var place: UInt32
    package var connections: [Accepted.Connection]

    package init(place: UInt32, connections: [Accepted.Connection]) {
        self.place = place
        self.connections = connections
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(place)
        Accepted(connections).write(to: &writer)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        place = try reader.integer()
        connections = try Accepted(from: &reader).connections
    }
}

/// The worker has said all that a new supervisor must know.
package struct Adopted: Frame, Equatable {
    package static let type = FrameType.adopted
    package var program: Program
    package init(_ program: Program = .own) { self.program = program }
    package func write(to writer: inout FrameWriter) { program.write(to: &writer) }
    package init(from reader: inout FrameReader) throws(FrameError) { program = try Program(from: &reader) }
}
