// Frames by which a listener tells a new router what the former one knew; docs/protocol/data.md explains how they work
// together. They are not part of the listener's stream: its offsets count from behind `ResumeEnd`.

/// How far a listener's stream has had its effect.
package struct StreamMark: Equatable, Sendable {
    /// The listener's place.
    package var place: UInt32
    package var offset: UInt64

    package init(place: UInt32, offset: UInt64) {
        self.place = place
        self.offset = offset
    }

    static func write(_ marks: [StreamMark], to writer: inout FrameWriter) {
        writer.integer(UInt32(marks.count))
        for mark in marks {
            writer.integer(mark.place)
            writer.integer(mark.offset)
        }
    }

    static func read(from reader: inout FrameReader) throws(FrameError) -> [StreamMark] {
        var marks: [StreamMark] = []
        for _ in 0..<(try reader.count(ofItemsOf: 12)) {
            marks.append(StreamMark(place: try reader.integer(), offset: try reader.integer()))
        }
        return marks
    }
}

/// A connection whose CONNECT was answered with success: its session goes on, and the client hears nothing of it.
package struct ResumeFrame: Frame, Equatable {
    package static let type = FrameType.resume

    package struct Subscription: Equatable, Sendable {
        /// The subscription identifier; 0: none.
        package var identifier: UInt32
        /// As in `SubscribeFrame`.
        package var options: UInt8
        package var filter: [UInt8]

        package init(identifier: UInt32, options: UInt8, filter: [UInt8]) {
            self.identifier = identifier
            self.options = options
            self.filter = filter
        }
    }

    /// What was asked for, with the client identifier in force and the session expiry as granted.
    package var connect: ConnectFrame
    /// As in `CongestionFrame`.
    package var congested: Bool
    /// Deliveries at QoS 1 and 2 that were written to the client, and that it has not acknowledged for good.
    package var outstanding: UInt16
    /// The newest of all deliveries at QoS 1 or 2, those counted that are acknowledged; 0: there was none. Of two the newer is
    /// that which the other reaches by adding less than 2¹⁵: an older one may come later, if the store had assigned it.
    package var lastPacketIdentifier: UInt16
    /// The identifiers of those that are outstanding, in the order of delivery, if the store keeps the session; else
    /// empty.
    package var window: [UInt16]
    /// Its subscriptions, if the session ends with its connection; else empty.
    package var subscriptions: [Subscription]
    /// What `NoteFrame` said of the connection, its note and its list; empty: nothing.
    package var note: [UInt8]
    package var list: [UInt8]

    package init(
        connect: ConnectFrame, congested: Bool, outstanding: UInt16, lastPacketIdentifier: UInt16, window: [UInt16],
        subscriptions: [Subscription], note: [UInt8], list: [UInt8]
    ) {
        self.connect = connect
        self.congested = congested
        self.outstanding = outstanding
        self.lastPacketIdentifier = lastPacketIdentifier
        self.window = window
        self.subscriptions = subscriptions
        self.note = note
        self.list = list
    }

    package func write(to writer: inout FrameWriter) {
        connect.write(to: &writer)
        writer.boolean(congested)
        writer.integer(outstanding)
        writer.integer(lastPacketIdentifier)
        writer.integer(UInt32(window.count))
        for identifier in window { writer.integer(identifier) }
        writer.integer(UInt32(subscriptions.count))
        for subscription in subscriptions {
            writer.integer(subscription.identifier)
            writer.integer(subscription.options)
            writer.blob(subscription.filter)
        }
        writer.blob(note)
        writer.blob(list)
    }

    package init(from reader: inout FrameReader) throws(FrameError) {
        connect = try ConnectFrame(from: &reader)
        congested = try reader.boolean()
        outstanding = try reader.integer()
        lastPacketIdentifier = try reader.integer()
        window = []
        for _ in 0..<(try reader.count(ofItemsOf: 2)) { window.append(try reader.integer()) }
        subscriptions = []
        for _ in 0..<(try reader.count(ofItemsOf: 9)) {
            subscriptions.append(
                Subscription(
                    identifier: try reader.integer(), options: try reader.integer(), filter: try reader.blob()))
        }
        note = try reader.blob()
        list = try reader.blob()
    }
}

/// All connections are named. The listener's stream follows, and up to `until` it repeats what the former router was
/// told.
package struct ResumeEnd: Frame, Equatable {
    package static let type = FrameType.resumeEnd
    package var until: UInt64
    package init(until: UInt64) { self.until = until }
    package func write(to writer: inout FrameWriter) { writer.integer(until) }
    package init(from reader: inout FrameReader) throws(FrameError) { until = try reader.integer() }
}

/// Router → listener: with the batch that this stands in, what the streams of other listeners have led to for this one
/// is complete up to these offsets. Those that are not named are where they were.
package struct MarksFrame: Frame, Equatable {
    package static let type = FrameType.marks
    package var marks: [StreamMark]
    package init(_ marks: [StreamMark]) { self.marks = marks }
    package func write(to writer: inout FrameWriter) { StreamMark.write(marks, to: &writer) }
    package init(from reader: inout FrameReader) throws(FrameError) { marks = try StreamMark.read(from: &reader) }
}

/// Router → listener: these frames of its stream, named by where they begin, are handled, but their answers wait.
package struct DeferredFrame: Frame, Equatable {
    package static let type = FrameType.deferred
    package var offsets: [UInt64]
    package init(_ offsets: [UInt64]) { self.offsets = offsets }
    package func write(to writer: inout FrameWriter) { writer.integers(offsets) }
    package init(from reader: inout FrameReader) throws(FrameError) { offsets = try reader.integers() }
}

/// Router → listener: the answers of these frames, which were deferred, stand in this batch.
package struct CompletedFrame: Frame, Equatable {
    package static let type = FrameType.completed
    package var offsets: [UInt64]
    package init(_ offsets: [UInt64]) { self.offsets = offsets }
    package func write(to writer: inout FrameWriter) { writer.integers(offsets) }
    package init(from reader: inout FrameReader) throws(FrameError) { offsets = try reader.integers() }
}

/// Router → listener: what it wants to hear again of a connection when another router takes over. It is the listener's to
/// keep, with the batch that it stands in, and not to understand.
package struct NoteFrame: Frame, Equatable {
    package static let type = FrameType.note

    package enum Kind: UInt8, CaseIterable, Sendable {
        /// In the place of the connection's note.
        case note = 0
        /// In the place of its list.
        case list = 1
        /// At the end of its list.
        case more = 2
    }

    package var slot: UInt32
    package var generation: UInt32
    package var kind: Kind
    /// Empty: there is nothing to keep any more.
    package var bytes: [UInt8]

    package init(slot: UInt32, generation: UInt32, kind: Kind, bytes: [UInt8]) {
        self.slot = slot
        self.generation = generation
        self.kind = kind
        self.bytes = bytes
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(slot)
        writer.integer(generation)
        writer.integer(kind.rawValue)
        writer.blob(bytes)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        slot = try reader.integer()
        generation = try reader.integer()
        guard let kind = Kind(rawValue: try reader.integer()) else { throw FrameError("a note of no kind") }
        self.kind = kind
        bytes = try reader.blob()
    }
}
