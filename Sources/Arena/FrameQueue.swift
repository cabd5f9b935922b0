// The stream to the router: frames that it has not acknowledged yet, named by their total offset in the stream.

public import CArena
import Messages

extension Arena {
    /// Room for a frame of `count` bytes at the end of the stream, to be filled by the caller. It belongs to the step
    /// under way and is sent after its commit. `nil` when the queue is full: credit ends long before that.
    @inlinable @inline(__always)
    @_lifetime(immortal)
    package mutating func appendFrame(_ count: Int) -> MutableRawSpan? {
        var position = Int(truncatingIfNeeded: queueTail &- head.queue_origin)
        if UInt64(position &+ count) > head.queue_bytes {
            guard moveQueueToFront(count) else { return nil }
            position = Int(truncatingIfNeeded: queueTail &- head.queue_origin)
        }
        queueTail &+= UInt64(truncatingIfNeeded: count)
        return mutableRegionSpan(head.queue, head.queue_bytes, position, count)
    }

    /// Appends a frame that is already encoded.
    package mutating func appendFrame(_ frame: [UInt8]) -> Bool {
        guard var span = appendFrame(frame.count) else { return false }
        span.copy(unsafe frame.span.bytes, at: 0)
        return true
    }

    /// The frame that begins at total offset `offset`, `count` bytes long, to be extended in place.
    @inlinable
    @_lifetime(immortal)
    package mutating func frame(at offset: UInt64, _ count: Int) -> MutableRawSpan {
        let position = Int(truncatingIfNeeded: offset &- head.queue_origin)
        return mutableRegionSpan(head.queue, head.queue_bytes, position, count)
    }

    /// The end of the stream, with what the step under way has added.
    @inlinable package var queueEnd: UInt64 { queueTail }
    /// Bytes that the router has not handled.
    @inlinable package var queueOutstanding: UInt64 { queueTail &- head.queue_answered }
    /// Bytes that are kept until they are safe.
    @inlinable package var queueKept: UInt64 { queueTail &- head.queue_acknowledged }
    @inlinable package var queueSent: UInt64 { head.queue_sent }

    /// Committed bytes that are not yet sent.
    @inlinable
    @_lifetime(immortal)
    package func unsentFrames() -> RawSpan {
        let position = Int(truncatingIfNeeded: head.queue_sent &- head.queue_origin)
        let count = Int(truncatingIfNeeded: head.queue_produced &- head.queue_sent)
        return regionSpan(head.queue, head.queue_bytes, position, count)
    }

    @inlinable
    package mutating func framesSent(_ count: Int) {
        head.queue_sent &+= UInt64(truncatingIfNeeded: count)
    }

    /// The router has handled everything below `answered`, and what lies below `released` is safe: put in force by the
    /// commit of the batch under way.
    /// - Returns: false when it was never sent, or had been answered before: a fault of the router.
    @inlinable
    package mutating func framesAcknowledged(answered: UInt64, released: UInt64) -> Bool {
        guard answered >= head.queue_answered, answered <= max(head.queue_sent, head.queue_answered),
            released <= answered
        else { return false }
        head.batch_next_answered = answered
        head.batch_next_released = released
        return true
    }

    /// Frames below `released` are forgotten.
    @inlinable
    mutating func forgetFrames(below released: UInt64) {
        guard released > head.queue_acknowledged else { return }
        head.queue_acknowledged = released
        // An empty queue starts again at the front, a short one soon: its first pages stay in the cache.
        if released == queueTail {
            head.queue_origin = released
        } else if released &- head.queue_origin > 512 << 10, queueTail &- released < 128 << 10 {
            _ = moveQueueToFront(0)
        }
    }

    /// The stream goes on towards a new router, from what is not safe. The former one has answered some of it.
    ///
    /// - Parameter prelude: bytes that go before it and are not counted.
    package mutating func rewindQueue(channel: UInt32, prelude: Int) {
        head.channel_prelude = UInt64(prelude)
        head.channel_start = head.queue_acknowledged
        head.queue_sent = head.queue_acknowledged
        apus_barrier()
        head.channel = channel
    }
    package var queueAnswered: UInt64 { head.queue_answered }

    /// Sets the flag of a kept frame, named by where it begins, that its answer waits.
    mutating func setDeferred(_ isDeferred: Bool, frameAt offset: UInt64) {
        // What is released has its answer, or is asked for by nobody.
        guard offset >= head.queue_acknowledged, offset &+ UInt64(FrameHead.byteCount) <= queueTail else { return }
        var frame = frame(at: offset, FrameHead.byteCount)
        let flags = frame.bytes.load8(at: FrameHead.flagsOffset)
        frame.store(
            isDeferred ? flags | FrameHead.deferred : flags & ~FrameHead.deferred, at: FrameHead.flagsOffset)
    }

    /// Moves what is unacknowledged to the front. The ranges do not overlap, and one store makes it valid.
    @usableFromInline @inline(never)
    mutating func moveQueueToFront(_ count: Int) -> Bool {
        let acknowledged = head.queue_acknowledged
        let start = Int(truncatingIfNeeded: acknowledged &- head.queue_origin)
        let length = Int(truncatingIfNeeded: queueTail &- acknowledged)
        guard length <= start, UInt64(length &+ count) <= head.queue_bytes else { return false }
        var front = mutableRegionSpan(head.queue, head.queue_bytes, 0, length)
        front.copy(regionSpan(head.queue, head.queue_bytes, start, length), at: 0)
        apus_barrier()
        head.queue_origin = acknowledged
        return true
    }
}

extension Arena {
    /// The router's stream position of ours.
    @inlinable package var queueAcknowledged: UInt64 { head.queue_acknowledged }

    /// Makes frames valid that were appended outside of a step or batch. Within one this would be too early.
    @inlinable
    package mutating func commitQueue() {
        guard isQuiet else { return }
        head.queue_produced = queueTail
        commitFrees()
    }
}
