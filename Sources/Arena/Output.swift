// The output of a connection: bytes produced and not yet sent, in one buffer.

public import CArena
import Messages

extension Arena {
    /// Bytes that wait to be sent.
    @inlinable @inline(__always)
    package func outputCount(_ slot: Int) -> Int {
        Int(truncatingIfNeeded: self[slot].produced &- self[slot].sent)
    }

    /// Where in its buffer the byte with a total offset lies.
    @inlinable @inline(__always)
    func outputPosition(_ slot: Int, _ offset: UInt64) -> Int {
        Int(UInt32(truncatingIfNeeded: offset) &- self[slot].output_origin)
    }

    /// The bytes that wait to be sent.
    @inlinable @inline(__always)
    @_lifetime(immortal)
    package func output(_ slot: Int) -> RawSpan {
        let offset = Int(self[slot].output) &* Int(APUS_BUFFER_UNIT) &+ outputPosition(slot, self[slot].sent)
        return bufferSpan(offset, outputCount(slot))
    }

    /// Room for `count` bytes at the end of the output, which the caller fills; `nil` when the arena is exhausted.
    @inlinable @inline(__always)
    @_lifetime(immortal)
    package mutating func appendOutput(_ slot: Int, _ count: Int) -> MutableRawSpan? {
        let capacity = self[slot].output == 0 ? 0 : Int(APUS_BUFFER_UNIT) << Int(self[slot].output_class)
        if capacity == 0 || outputPosition(slot, self[slot].produced) &+ count > capacity {
            guard growOutput(slot, count) else { return nil }
        }
        let offset = Int(self[slot].output) &* Int(APUS_BUFFER_UNIT) &+ outputPosition(slot, self[slot].produced)
        self[slot].produced &+= UInt64(truncatingIfNeeded: count)
        return mutableBufferSpan(offset, count)
    }

    /// `count` bytes were given to the socket. One store says so.
    @inlinable
    package mutating func consumeOutput(_ slot: Int, _ count: Int) {
        self[slot].sent &+= UInt64(truncatingIfNeeded: count)
        if self[slot].sent == self[slot].produced { freeOutput(slot) }
    }

    /// Forgets what waits to be sent; outside of steps and batches.
    package mutating func dropOutput(_ slot: Int) {
        self[slot].produced = self[slot].sent
        freeOutput(slot)
    }

    @inlinable
    mutating func freeOutput(_ slot: Int) {
        let buffer = Buffer(unit: self[slot].output, sizeClass: self[slot].output_class)
        self[slot].output = 0
        free(buffer)
    }

    /// A larger buffer, or the first. It begins with the class that the connection's last output needed.
    @usableFromInline @inline(never)
    mutating func growOutput(_ slot: Int, _ count: Int) -> Bool {
        let old = Buffer(unit: self[slot].output, sizeClass: self[slot].output_class)
        let pending = outputCount(slot)
        let hint = old.exists ? 0 : Int(APUS_BUFFER_UNIT) << Int(self[slot].output_hint)
        guard
            let buffer = allocate(
                max(pending &+ count, hint, old.exists && pending > old.capacity / 4 ? old.capacity * 2 : 0))
        else { return false }
        if pending > 0 {
            var span = mutableBufferSpan(buffer.offset, pending)
            span.copy(output(slot), at: 0)
        }
        self[slot].output = buffer.unit
        self[slot].output_class = buffer.sizeClass
        self[slot].output_origin = UInt32(truncatingIfNeeded: self[slot].sent)
        // Beyond 64 KiB the hint would only hold memory.
        self[slot].output_hint = min(buffer.sizeClass, 8)
        freeAtCommit(old)
        return true
    }
}
