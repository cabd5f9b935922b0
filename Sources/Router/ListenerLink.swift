// The router's side of the channel to one listener: the stream that comes from it, and the batches that go to it.

import EventLoop
import Messages

/// A listener, as the router sees it.
struct ListenerLink {
    /// -1: nobody.
    var descriptor: Int32 = -1
    /// The number of the listener's place.
    var worker: UInt32 = 0
    var name = ""
    var role = Role.listener
    /// Tells this channel from all others that there were.
    var serial: UInt32 = 0
    var phase = Phase.greeting
    var isWatchedForRoom = false
    var isTouched = false
    /// Nothing is written to it until its new process knows how far the streams have gone.
    var isHeld = false

    /// What has arrived: bytes `inputStart..<inputEnd` of `input` are not handled.
    let input: Region
    var inputStart = 0
    var inputEnd = 0
    /// Bytes that have arrived since the channel began.
    var received: UInt64 = 0
    /// The offset in its stream up to which it is handled: what batches answer.
    var handled: UInt64 = 0
    /// Where the frame begins that is being handled.
    var frameStart: UInt64 = 0
    /// What the last batch answered, of this router or the former one.
    var answered: UInt64 = 0
    /// What the former router's last batch answered that it has applied.
    var applied: UInt64 = 0
    /// By the places of other listeners: how far it had applied what came of their streams, when the channel began.
    var marks: [UInt32: UInt64] = [:]
    /// The same, as it was last told.
    var toldMarks: [UInt32: UInt64] = [:]
    /// Where the frames end that the former router was told.
    var until: UInt64 = 0
    /// The transaction that has to be on disk before its stream is handled.
    var gate: UInt64 = 0
    /// The offset below which its frames are safe, and what it was told of that.
    var released: UInt64 = 0
    var toldReleased: UInt64 = 0
    /// A batch shall be written though there is nothing else to say.
    var wantsRelease = false
    /// Where both streams were when the cut was made that frames are released by next.
    var cutHandled: UInt64 = 0
    var cutProduced: UInt64 = 0
    /// Frames whose answers wait, and those whose answers stand in the open batch.
    var deferred: [UInt64] = []
    var completed: [UInt64] = []

    /// What goes to it: bytes `outputStart..<outputEnd` of `output` are not sent.
    let output: Region
    var outputStart = 0
    var outputEnd = 0
    /// Bytes produced since the channel began, and those that it has applied.
    var produced: UInt64 = 0
    var consumed: UInt64 = 0
    /// Where the open batch's header lies in `output`; -1: none is open.
    var batch = -1
    /// Where the open Deliver frame lies, and its recipients so far; -1: none is open.
    var delivery = -1
    var recipients = 0
    /// The next link with an open Deliver frame; -1: none.
    var nextOpenDelivery = -1
    /// Acknowledgements that the batch will end with.
    var acknowledgements: [UInt64] = []

    /// The session in each slot, plus one; 0: none.
    var slots: [UInt32] = []
    /// Sessions with a queue that wait for room.
    var waiting: [UInt32] = []
    /// Sessions of whose backlogs the listener is to hear.
    var backlogs: [UInt32] = []
    /// Sessions of whose replays of retained messages it is to hear.
    var replays: [UInt32] = []

    /// How far the beginning of a channel has come.
    enum Phase {
        /// It has not said hello.
        case greeting
        /// It names its connections.
        case resuming
        /// It has named them all; its stream is not handled before those of others are known.
        case resumed
        /// What the former router was told is handled anew.
        case replaying
        /// That is done, here and not yet everywhere.
        case replayed
        case running
    }

    /// Whether its input waits for others.
    var isPaused: Bool { phase == .resumed || phase == .replayed }

    /// Whether it has said where its stream stands.
    var hasResumed: Bool { phase != .greeting && phase != .resuming }

    /// Bytes that may be on their way to a listener.
    static var window: UInt64 {
        @inline(__always) get { deliveryWindow }
    }
    /// A batch that has become as long as this is closed as soon as an input frame is handled.
    static let batchLength = 64 << 10
    static let receiveSize = 1 << 20

    init(packetSize: Int) throws(SystemError) {
        // A frame is at most a packet, its envelope and eight bytes for each slot of a full listener.
        let frame = packetSize + (16 << 20)
        input = try Region(byteCount: frame + 4 << 20)
        output = try Region(byteCount: 4 * frame)
        acknowledgements.reserveCapacity(1024)
    }

    var isOpen: Bool { descriptor >= 0 }

    /// The worker's name in logs.
    var label: String { role == .listener ? "\(role.name)/\(name)" : name }

    /// The listener's name in the configuration; empty where it is none.
    var listener: String { role == .listener ? String(name.prefix { $0 != "/" }) : "" }

    /// Whether it has to hear what its socket has not taken.
    var isBehind: Bool { outputEnd != outputStart || batch >= 0 || !acknowledgements.isEmpty }

    /// Bytes that the socket has taken since the channel began.
    var put: UInt64 { produced &- UInt64(truncatingIfNeeded: outputEnd &- outputStart) }

    /// Whether messages may be sent; else they go to their sessions' queues.
    @inline(__always)
    var hasRoom: Bool { produced &- consumed < Self.window }

    /// Room for `count` bytes at the end of the open batch, which is opened if need be.
    @inline(__always)
    @_lifetime(immortal)
    mutating func append(_ count: Int) -> MutableRawSpan {
        if batch < 0 || outputEnd &+ count > output.byteCount { prepare(count) }
        let start = outputEnd
        outputEnd &+= count
        produced &+= UInt64(truncatingIfNeeded: count)
        return output.mutableSpan(start, count)
    }

    mutating func append(_ frame: [UInt8]) {
        var span = append(frame.count)
        span.copy(frame.span.raw, at: 0)
    }

    @inline(never)
    private mutating func prepare(_ count: Int) {
        let needed = count + BatchFrame.byteCount
        if outputEnd + needed > output.byteCount { moveToFront() }
        // Deliveries stop at the window; what else there is is bounded by what the listener may have outstanding.
        precondition(outputEnd + needed <= output.byteCount, "the output to a listener exceeds every limit")
        guard batch < 0 else { return }
        batch = outputEnd
        outputEnd += BatchFrame.byteCount
        produced &+= UInt64(BatchFrame.byteCount)
    }

    /// Moves what is not sent to the region's front.
    mutating func moveToFront() {
        guard outputStart > 0 else { return }
        output.move(from: outputStart, to: 0, count: outputEnd - outputStart)
        if batch >= 0 { batch -= outputStart }
        if delivery >= 0 { delivery -= outputStart }
        outputEnd -= outputStart
        outputStart = 0
    }

    /// Adds an acknowledgement for a client of this listener's.
    @inline(__always)
    mutating func acknowledge(_ entry: SlotEntry) {
        acknowledgements.append(entry.word)
    }

    /// Writes the acknowledgements so far, so that what comes next is behind them.
    mutating func writeAcknowledgements() {
        guard !acknowledgements.isEmpty else { return }
        let length = FrameHead.byteCount &+ 8 &* acknowledgements.count
        var span = append(length)
        span.store(FrameHead.word(length: length, type: .acknowledge), at: 0)
        for index in acknowledgements.indices {
            span.store(acknowledgements[index], at: FrameHead.byteCount &+ 8 &* index)
        }
        acknowledgements.removeAll(keepingCapacity: true)
    }

    /// What a batch answers. The former router may have answered more than is handled anew so far.
    private var answers: UInt64 { max(handled, answered) }

    /// Whether there is something to say.
    var hasBatch: Bool {
        batch >= 0 || !acknowledgements.isEmpty || !completed.isEmpty || answers != answered
            || (wantsRelease && released != toldReleased)
    }

    /// Closes the open batch, or writes an empty one where there is something to say by its head.
    mutating func closeBatch() {
        guard hasBatch else { return }
        writeAcknowledgements()
        if batch < 0 { prepare(0) }
        if !deferred.isEmpty {
            append(DeferredFrame(deferred).encoded())
            deferred.removeAll(keepingCapacity: true)
        }
        if !completed.isEmpty {
            append(CompletedFrame(completed).encoded())
            completed.removeAll(keepingCapacity: true)
        }
        var head = output.mutableSpan(batch, BatchFrame.byteCount)
        BatchFrame.write(
            to: &head, length: outputEnd &- batch &- BatchFrame.byteCount, answers: answers, released: released)
        answered = answers
        toldReleased = released
        wantsRelease = false
        batch = -1
    }

    /// The answer of a frame that begins at `offset` waits.
    mutating func postpone(_ offset: UInt64) {
        if deferred.last != offset { deferred.append(offset) }
    }

    /// The answer of a frame that waited is written.
    mutating func complete(_ offset: UInt64) {
        if completed.last != offset { completed.append(offset) }
    }
}
