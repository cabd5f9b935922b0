// What comes in: the two scratch regions of the sockets' input, the leftovers of incomplete packets, and the stream
// from the router.

public import CArena
import Messages

extension Arena {
    /// Bytes that a leftover may have to be put before what is read; longer ones grow in their own buffer.
    @inlinable package static var smallLeftover: Int { 64 << 10 }
    /// Bytes read from a socket at once.
    @inlinable package static var receiveSize: Int { 256 << 10 }

    /// The region in which bytes arrive from a socket.
    @inlinable
    @_lifetime(immortal)
    package func raw(_ offset: Int, _ count: Int) -> RawSpan {
        regionSpan(head.raw, head.raw_bytes, offset, count)
    }
    @inlinable
    @_lifetime(immortal)
    package func mutableRaw(_ offset: Int, _ count: Int) -> MutableRawSpan {
        mutableRegionSpan(head.raw, head.raw_bytes, offset, count)
    }

    /// The region for the payload of WebSocket frames, unmasked.
    @inlinable
    @_lifetime(immortal)
    package func plain(_ offset: Int, _ count: Int) -> RawSpan {
        regionSpan(head.plain, head.plain_bytes, offset, count)
    }
    @inlinable
    @_lifetime(immortal)
    package func mutablePlain(_ offset: Int, _ count: Int) -> MutableRawSpan {
        mutableRegionSpan(head.plain, head.plain_bytes, offset, count)
    }

    /// The buffer with what has arrived of an incomplete packet.
    @inlinable
    package func inputBuffer(_ slot: Int) -> Buffer {
        Buffer(unit: self[slot].input, sizeClass: self[slot].input_class)
    }

    /// `count` bytes of the input buffer from `offset`.
    @inlinable
    @_lifetime(immortal)
    package func input(_ slot: Int, _ offset: Int, _ count: Int) -> RawSpan {
        let buffer = inputBuffer(slot)
        precondition(offset &+ count <= (buffer.exists ? buffer.capacity : 0))
        return bufferSpan(buffer.offset &+ offset, count)
    }
    @inlinable
    @_lifetime(immortal)
    package func mutableInput(_ slot: Int, _ offset: Int, _ count: Int) -> MutableRawSpan {
        let buffer = inputBuffer(slot)
        precondition(offset &+ count <= (buffer.exists ? buffer.capacity : 0))
        return mutableBufferSpan(buffer.offset &+ offset, count)
    }

    /// Gives the connection an input buffer of at least `capacity` bytes that begins with `kept`. The former one is
    /// free at the commit.
    /// - Returns: false when the arena is exhausted.
    package mutating func replaceInput(_ slot: Int, keeping kept: RawSpan, capacity: Int) -> Bool {
        guard let buffer = allocate(max(capacity, kept.byteCount)) else { return false }
        var span = mutableBufferSpan(buffer.offset, kept.byteCount)
        span.copy(kept, at: 0)
        freeAtCommit(inputBuffer(slot))
        self[slot].input = buffer.unit
        self[slot].input_class = buffer.sizeClass
        return true
    }

    /// The connection has nothing left over.
    @inlinable
    package mutating func clearInput(_ slot: Int) {
        freeAtCommit(inputBuffer(slot))
        self[slot].input = 0
        self[slot].input_length = 0
        self[slot].raw_length = 0
    }

    // MARK: the router's stream

    /// Room behind what has arrived of the router's stream.
    package mutating func batchRoom() -> Int {
        let end = Int(truncatingIfNeeded: head.batch_received &- head.batch_origin)
        return Int(head.batch_bytes) - end
    }

    @_lifetime(immortal)
    package func mutableBatchRoom(_ count: Int) -> MutableRawSpan {
        let end = Int(truncatingIfNeeded: head.batch_received &- head.batch_origin)
        return mutableRegionSpan(head.batch, head.batch_bytes, end, count)
    }

    package mutating func batchArrived(_ count: Int) {
        head.batch_received &+= UInt64(truncatingIfNeeded: count)
    }

    /// What has arrived of the router's stream and is not applied.
    @_lifetime(immortal)
    package func unappliedBatch() -> RawSpan {
        let start = Int(truncatingIfNeeded: head.batch_applied &- head.batch_origin)
        let count = Int(truncatingIfNeeded: head.batch_received &- head.batch_applied)
        return regionSpan(head.batch, head.batch_bytes, start, count)
    }

    /// Whether the router has greeted on this channel.
    @inlinable package var routerHasGreeted: Bool {
        get { head.router_greeted != 0 }
        set { head.router_greeted = newValue ? 1 : 0 }
    }

    /// Bytes of the router's stream that were applied since it began.
    @inlinable package var batchApplied: UInt64 { head.batch_applied }

    /// Between batches: what is unapplied moves to the front, where it does not overlap itself, so that room stays for
    /// the largest batch.
    package mutating func compactBatches() {
        let applied = head.batch_applied
        let start = Int(truncatingIfNeeded: applied &- head.batch_origin)
        let count = Int(truncatingIfNeeded: head.batch_received &- applied)
        guard start > 0, count <= start, count == 0 || start > 1 << 20 else { return }
        if count > 0 {
            var front = mutableRegionSpan(head.batch, head.batch_bytes, 0, count)
            front.copy(regionSpan(head.batch, head.batch_bytes, start, count), at: 0)
            apus_barrier()
        }
        head.batch_origin = applied
    }

    /// No channel is used any more: what came on the former one and was not applied is forgotten. The next begins with
    /// `rewindQueue`.
    package mutating func endChannel() {
        head.channel = 0
        apus_barrier()
        head.batch_applied = 0
        head.batch_received = 0
        head.batch_origin = 0
        head.batch_reading = 0
        head.router_greeted = 0
    }

    /// The serial number of the channel that the streams are those of; 0: of none.
    package var channel: UInt32 { head.channel }

    /// The channel is read: until `batchArrived` it is not known how far.
    @inlinable
    package mutating func willReadBatches() {
        head.batch_reading = 1
        apus_barrier()
    }

    @inlinable
    package mutating func didReadBatches() {
        apus_barrier()
        head.batch_reading = 0
    }

    /// A death has interrupted the reading of the channel.
    package var wasReadingBatches: Bool { head.batch_reading != 0 }
}

extension Arena {
    /// The longest batch that the router may send.
    package var largestBatch: Int { Int(head.batch_bytes / 2) }
    /// Bytes of the scratch regions.
    package var scratchBytes: Int { Int(head.raw_bytes) }

    /// Keeps `plain` and, behind it, `raw` as the connection's leftover. `capacity` is what is expected to be needed.
    /// - Returns: false when the arena is exhausted.
    package mutating func keepInput(_ slot: Int, plain: RawSpan, raw: RawSpan, capacity: Int) -> Bool {
        let count = plain.byteCount + raw.byteCount
        if count == 0 {
            clearInput(slot)
            return true
        }
        guard let buffer = allocate(max(capacity, count)) else { return false }
        var span = mutableBufferSpan(buffer.offset, count)
        span.copy(plain, at: 0)
        span.copy(raw, at: plain.byteCount)
        freeAtCommit(inputBuffer(slot))
        self[slot].input = buffer.unit
        self[slot].input_class = buffer.sizeClass
        self[slot].input_length = UInt32(plain.byteCount)
        self[slot].raw_length = UInt32(raw.byteCount)
        return true
    }
}
