// Frames by which one process takes over from another: a successor is prepared while the other serves, which then
// retires, or has died.

/// The prepared listener serves from now on. What its place has stands before this frame on the channel: every connection
/// as `Accepted`, and the channel to the router, where there is one, as `ChannelOffer` with its history.
package struct TakeOver: Frame, Equatable {
    package static let type = FrameType.takeOver
    /// Whether the former process died: what it was doing has to be completed or undone.
    package var afterDeath: Bool

    package init(afterDeath: Bool) { self.afterDeath = afterDeath }
    package func write(to writer: inout FrameWriter) { writer.boolean(afterDeath) }
    package init(from reader: inout FrameReader) throws(FrameError) { afterDeath = try reader.boolean() }
}

/// Another process is prepared to go on: finish the turn, touch nothing any more, answer `Retired`, exit.
package struct Retire: Frame, Equatable {
    package static let type = FrameType.retire
    package init() {}
    package func write(to writer: inout FrameWriter) {}
    package init(from reader: inout FrameReader) throws(FrameError) {}
}

/// To the router: how far the streams to and from a listener have gone, whose process has died. Answered by
/// `StreamAnswer`; the router then writes nothing on that channel until `StreamGo`.
package struct StreamQuestion: Frame, Equatable {
    package static let type = FrameType.streamQuestion
    package var worker: UInt32
    package init(worker: UInt32) { self.worker = worker }
    package func write(to writer: inout FrameWriter) { writer.integer(worker) }
    package init(from reader: inout FrameReader) throws(FrameError) { worker = try reader.integer() }
}

/// To the router: the listener's successor knows how far the streams have gone; the channel may be written again.
package struct StreamGo: Frame, Equatable {
    package static let type = FrameType.streamGo
    package var worker: UInt32
    package init(worker: UInt32) { self.worker = worker }
    package func write(to writer: inout FrameWriter) { writer.integer(worker) }
    package init(from reader: inout FrameReader) throws(FrameError) { worker = try reader.integer() }
}

/// To a prepared listener: connections that the one that serves has given back. It closes its duplicates.
package struct Released: Frame, Equatable {
    package static let type = FrameType.released
    package var slots: [Closed.Slot]
    package init(_ slots: [Closed.Slot]) { self.slots = slots }
    package func write(to writer: inout FrameWriter) { Closed(slots).write(to: &writer) }
    package init(from reader: inout FrameReader) throws(FrameError) { slots = try Closed(from: &reader).slots }
}

/// The worker has what it needs to take over, and waits for the word.
package struct Prepared: Frame, Equatable {
    package static let type = FrameType.prepared
    package var program: Program
    package init(_ program: Program = .own) { self.program = program }
    package func write(to writer: inout FrameWriter) { program.write(to: &writer) }
    package init(from reader: inout FrameReader) throws(FrameError) { program = try Program(from: &reader) }
}

/// The worker has stopped as `Retire` asked: nothing of what outlives it changes any more.
package struct Retired: Frame, Equatable {
    package static let type = FrameType.retired
    package init() {}
    package func write(to writer: inout FrameWriter) {}
    package init(from reader: inout FrameReader) throws(FrameError) {}
}

/// The router's answer to `StreamQuestion`. All zero where it has no such channel.
package struct StreamAnswer: Frame, Equatable {
    package static let type = FrameType.streamAnswer
    package var worker: UInt32
    /// Whether there is a channel to that worker.
    package var exists: Bool
    /// Bytes of the listener's stream that were taken, with those that wait in the socket.
    package var taken: UInt64
    /// Bytes of the router's stream that the socket has taken.
    package var put: UInt64

    package init(worker: UInt32, exists: Bool, taken: UInt64, put: UInt64) {
        self.worker = worker
        self.exists = exists
        self.taken = taken
        self.put = put
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(worker)
        writer.boolean(exists)
        writer.integer(taken)
        writer.integer(put)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        worker = try reader.integer()
        exists = try reader.boolean()
        taken = try reader.integer()
        put = try reader.integer()
    }
}
