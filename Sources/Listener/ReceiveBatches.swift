// Reads the router's stream and applies each batch that is whole.

import Arena
import EventLoop
import Journal
import Messages

extension Listener {
    /// Bytes after which the router is told that they were consumed.
    private static var reportEvery: Int { Int(deliveryWindow) / 8 }

    mutating func receiveBatches() {
        guard router >= 0 else { return }
        arena.compactBatches()
        var room = arena.mutableBatchRoom(min(arena.batchRoom(), 1 << 20))
        arena.willReadBatches()
        switch receive(router, into: &room) {
        case .bytes(let count):
            arena.batchArrived(count)
            arena.didReadBatches()
            do throws(FrameError) {
                try applyBatches()
            } catch {
                arena.abandonBatch()
                cutRouter(error.description)
            }
        case .wouldBlock: arena.didReadBatches()
        case .ended, .failed: cutRouter("its channel ended")
        }
    }

    /// Applies what a router that has ended left in the channel. What is not a whole batch is for nobody.
    mutating func drainChannel(_ descriptor: Int32) {
        do throws(FrameError) {
            // A process that died in here may have left something too.
            try applyBatches()
            while true {
                arena.compactBatches()
                var room = arena.mutableBatchRoom(min(arena.batchRoom(), 1 << 20))
                guard case .bytes(let count) = receive(descriptor, into: &room) else { return }
                arena.batchArrived(count)
                try applyBatches()
            }
        } catch {
            arena.abandonBatch()
            Journal.log(.channelCut, [.worker: "router", .generation: "", .reason: error.description])
        }
    }

    private mutating func applyBatches() throws(FrameError) {
        while true {
            let bytes = arena.unappliedBatch()
            guard let (length, answers) = try BatchFrame.read(bytes, at: 0) else { return }
            let total = BatchFrame.byteCount + length
            guard bytes.byteCount >= total else {
                // A batch is bounded by what the layout has room for.
                guard total <= arena.largestBatch else { throw FrameError("batch longer than any may be") }
                return
            }
            arena.beginBatch()
            acknowledgements.count = 0
            try applyFrames(bytes, from: BatchFrame.byteCount, to: total)
            let released = BatchFrame.released(bytes, at: 0)
            guard arena.framesAcknowledged(answered: answers, released: released) else {
                throw FrameError("an answer to what was never asked")
            }
            arena.endBatch(total)
            unreportedBatches += total
            if unreportedBatches >= Self.reportEvery {
                unreportedBatches = 0
                tellRouter(ConsumedFrame(offset: arena.batchApplied))
                commitFrames()
            }
        }
    }

    private mutating func applyFrames(_ bytes: RawSpan, from start: Int, to end: Int) throws(FrameError) {
        var position = start
        var tally = OutputTally()
        defer { add(tally) }
        while position < end {
            guard let header = try FrameHead.read(bytes, at: position), position + header.length <= end else {
                throw FrameError("a frame that ends outside of its batch")
            }
            guard arena.routerHasGreeted || header.type == .hello else {
                throw FrameError("a channel that does not begin with Hello")
            }
            if header.type == .deliver {
                try deliver(bytes, at: position, header, &tally)
            } else if header.type == .acknowledge {
                try acknowledge(bytes, at: position, header, &tally)
            } else if header.type == .marks || header.type == .deferred || header.type == .completed {
                try arena.note(bytes.extracting(position..<(position + header.length)), header.type, at: position)
            } else {
                try applyAnswer(bytes.extracting(position..<(position + header.length)), header.type)
            }
            position += header.length
        }
    }
}

/// What the frames of one batch add to the counters, which are touched once for all of them.
struct OutputTally {
    var messages = 0
    var payload = 0
    /// Acknowledgements.
    var answers = 0
}

extension Listener {
    @inline(__always)
    private mutating func add(_ tally: OutputTally) {
        count(.messagesSent, by: tally.messages)
        count(.payloadBytesSent, by: tally.payload)
        count(.answersSent, by: tally.answers)
    }
}
