// Reads the router's stream and applies each batch that is whole.

import Arena
import EventLoop
import Messages

extension Listener {
    /// Bytes after which the router is told that they were consumed.
    private static var reportEvery: Int { Int(deliveryWindow) / 8 }

    mutating func receiveBatches() {
        guard router >= 0 else { return }
        arena.compactBatches()
        var room = arena.mutableBatchRoom(min(arena.batchRoom(), 1 << 20))
        switch receive(router, into: &room) {
        case .bytes(let count):
            arena.batchArrived(count)
            do throws(FrameError) {
                try applyBatches()
            } catch {
                cutRouter(error.description)
            }
        case .wouldBlock: break
        case .ended, .failed: cutRouter("its channel ended")
        }
    }

    private mutating func applyBatches() throws(FrameError) {
        while router >= 0 {
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
            guard router >= 0 else { return }
            guard arena.framesAcknowledged(answered: answers, released: answers) else {
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
        while position < end {
            guard let header = try FrameHead.read(bytes, at: position), position + header.length <= end else {
                throw FrameError("a frame that ends outside of its batch")
            }
            guard arena.routerHasGreeted || header.type == .hello else {
                throw FrameError("a channel that does not begin with Hello")
            }
            if header.type == .deliver {
                try deliver(bytes, at: position, header)
            } else if header.type == .acknowledge {
                try acknowledge(bytes, at: position, header)
            } else {
                try applyAnswer(bytes.extracting(position..<(position + header.length)), header.type)
            }
            position += header.length
        }
    }
}
