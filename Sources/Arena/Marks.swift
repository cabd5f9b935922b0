// What a batch puts in force with its commit beside the slots: how far other listeners' streams have had their effect, and
// which frames of our own are handled while their answers wait. It stands in the batch, so a successor can do it again.

import CArena
package import Messages

extension Arena {
    /// Notes a frame of the batch under way that its commit puts in force; `position` is counted from the batch's first byte.
    /// - Throws: where it is not what its type says, or not the only one of it.
    package mutating func note(_ frame: RawSpan, _ type: FrameType, at position: Int) throws(FrameError) {
        let former: UInt32
        switch type {
        case .marks:
            _ = try MarksFrame(decoding: frame)
            former = head.batch_marks
            head.batch_marks = UInt32(position)
        case .deferred:
            _ = try DeferredFrame(decoding: frame)
            former = head.batch_deferred
            head.batch_deferred = UInt32(position)
        default:
            _ = try CompletedFrame(decoding: frame)
            former = head.batch_completed
            head.batch_completed = UInt32(position)
        }
        guard former == 0 else { throw FrameError("a batch with two frames of a kind of which there is one") }
    }

    /// How far other listeners' streams have had their effect on this one.
    package var marks: [StreamMark] {
        (0..<Int(head.marks_count)).map { index in
            let bytes = mark(index)
            return StreamMark(place: UInt32(truncatingIfNeeded: bytes.load64(at: 0)), offset: bytes.load64(at: 8))
        }
    }

    @_lifetime(immortal)
    private func mark(_ index: Int) -> RawSpan {
        let stride = MemoryLayout<apus_mark>.stride
        return regionSpan(head.marks, head.marks_bytes, index * stride, stride)
    }

    private mutating func setMark(_ mark: StreamMark) {
        let stride = MemoryLayout<apus_mark>.stride
        let count = Int(head.marks_count)
        let index = (0..<count).first { self.mark($0).load64(at: 0) == UInt64(mark.place) } ?? count
        // The supervisor starts fewer listeners than there is room for.
        guard UInt64((index + 1) * stride) <= head.marks_bytes else { return }
        var span = mutableRegionSpan(head.marks, head.marks_bytes, index * stride, stride)
        span.store(UInt64(mark.place), at: 0)
        span.store(mark.offset, at: 8)
        apus_barrier()
        if index == count { head.marks_count = UInt64(count + 1) }
    }

    /// What the batch's frames say that were noted. Done again after a death, it comes to the same.
    @usableFromInline @inline(never)
    mutating func putInForce() {
        if let frame = noted(head.batch_marks, MarksFrame.self) {
            for mark in frame.marks { setMark(mark) }
        }
        if let frame = noted(head.batch_deferred, DeferredFrame.self) {
            for offset in frame.offsets { setDeferred(true, frameAt: offset) }
        }
        if let frame = noted(head.batch_completed, CompletedFrame.self) {
            for offset in frame.offsets { setDeferred(false, frameAt: offset) }
        }
    }

    /// A frame that was decoded before it was noted.
    private func noted<F: Frame>(_ position: UInt32, _ type: F.Type) -> F? {
        guard position != 0 else { return nil }
        let bytes = unappliedBatch()
        guard let header = try? FrameHead.read(bytes, at: Int(position)) else { return nil }
        return try? F(decoding: bytes.extracting(Int(position)..<(Int(position) + header.length)))
    }
}
