// Free buffers. Which buffers are free is private to the process: a successor finds out by a scan of the slots.

public import CArena
public import Messages

/// A buffer of the arena: the number of its first unit (0: none) and its size class.
@usableFromInline
package struct Buffer: Equatable {
    @usableFromInline package var unit: UInt32
    @usableFromInline package var sizeClass: UInt8

    @inlinable package init(unit: UInt32, sizeClass: UInt8) {
        self.unit = unit
        self.sizeClass = sizeClass
    }
    @inlinable package static var none: Buffer { Buffer(unit: 0, sizeClass: 0) }
    @inlinable package var exists: Bool { unit != 0 }
    /// In bytes.
    @inlinable package var capacity: Int { Int(APUS_BUFFER_UNIT) << Int(sizeClass) }
    /// From the start of the buffers' region, in bytes.
    @inlinable package var offset: Int { Int(unit) &* Int(APUS_BUFFER_UNIT) }

    /// The smallest class that holds `bytes`.
    @inlinable @inline(__always)
    package static func sizeClass(for bytes: Int) -> UInt8 {
        let units = (bytes &+ Int(APUS_BUFFER_UNIT) &- 1) / Int(APUS_BUFFER_UNIT)
        return units <= 1 ? 0 : UInt8(truncatingIfNeeded: Int.bitWidth &- (units &- 1).leadingZeroBitCount)
    }
}

/// Lists of free buffers, one a class, and the part of the region that was never used.
///
/// A list is linked through the first four bytes of the buffers on it, the one freed last in front: it is in the cache.
@usableFromInline
package struct BufferPool {
    @inlinable package static var classCount: Int { 22 }

    @usableFromInline var heads: InlineArray<22, UInt32> = .init(repeating: 0)
    /// Unit 0 is never given out, so that 0 can mean none.
    @usableFromInline var frontier: UInt32 = 1
    @usableFromInline let units: UInt32
    /// Buffers replaced within the step or batch under way: not used again before it is committed.
    @usableFromInline var deferred: [UInt64] = []

    init(units: UInt32) { self.units = units }
}

extension Arena {
    /// Takes a buffer for at least `bytes` bytes; `nil` when the arena is exhausted.
    @inlinable
    package mutating func allocate(_ bytes: Int) -> Buffer? {
        let sizeClass = Buffer.sizeClass(for: bytes)
        guard Int(sizeClass) < BufferPool.classCount else { return nil }
        let head = pool.heads[Int(sizeClass)]
        guard head != 0 else { return allocateSlowly(sizeClass) }
        let buffer = Buffer(unit: head, sizeClass: sizeClass)
        pool.heads[Int(sizeClass)] = next(of: buffer)
        return buffer
    }

    /// Gives a buffer back at once. Not within a step or batch.
    @inlinable
    package mutating func free(_ buffer: Buffer) {
        guard buffer.exists else { return }
        setNext(of: buffer, to: pool.heads[Int(buffer.sizeClass)])
        pool.heads[Int(buffer.sizeClass)] = buffer.unit
    }

    /// Gives a buffer back when the step or batch under way is committed: until then its bytes may be needed again.
    @inlinable
    package mutating func freeAtCommit(_ buffer: Buffer) {
        guard buffer.exists else { return }
        pool.deferred.append(UInt64(buffer.unit) | UInt64(buffer.sizeClass) << 32)
    }

    /// Frees what was deferred.
    @inlinable @inline(__always)
    mutating func commitFrees() {
        if !pool.deferred.isEmpty { freeDeferred() }
    }

    @usableFromInline @inline(never)
    mutating func freeDeferred() {
        for word in pool.deferred {
            free(Buffer(unit: UInt32(truncatingIfNeeded: word), sizeClass: UInt8(truncatingIfNeeded: word >> 32)))
        }
        pool.deferred.removeAll(keepingCapacity: true)
    }

    /// The class has no free buffer: the frontier, then half of a larger one, then a scan.
    @usableFromInline @inline(never)
    mutating func allocateSlowly(_ sizeClass: UInt8) -> Buffer? {
        if let buffer = cutFrontier(sizeClass) ?? splitLarger(sizeClass) { return buffer }
        // Memory may lie about in free buffers of small classes; the scan joins them. Deferred ones still count as used.
        guard pool.deferred.isEmpty else { return nil }
        rebuildPool()
        return cutFrontier(sizeClass) ?? splitLarger(sizeClass)
    }

    private mutating func cutFrontier(_ sizeClass: UInt8) -> Buffer? {
        let size = UInt32(1) << UInt32(sizeClass)
        guard pool.units > pool.frontier, pool.units - pool.frontier >= size else { return nil }
        defer { pool.frontier += size }
        return Buffer(unit: pool.frontier, sizeClass: sizeClass)
    }

    private mutating func splitLarger(_ sizeClass: UInt8) -> Buffer? {
        for larger in (Int(sizeClass) + 1)..<max(Int(sizeClass) + 1, BufferPool.classCount) {
            let head = pool.heads[larger]
            guard head != 0 else { continue }
            pool.heads[larger] = next(of: Buffer(unit: head, sizeClass: UInt8(larger)))
            // The upper halves go to their lists, the lowest piece is the one wanted.
            for half in (Int(sizeClass)..<larger).reversed() {
                free(Buffer(unit: head + (1 << UInt32(half)), sizeClass: UInt8(half)))
            }
            return Buffer(unit: head, sizeClass: sizeClass)
        }
        return nil
    }

    @inlinable @inline(__always)
    func next(of buffer: Buffer) -> UInt32 {
        bufferSpan(buffer.offset, 4).load32(at: 0)
    }

    @inlinable @inline(__always)
    func setNext(of buffer: Buffer, to unit: UInt32) {
        var span = mutableBufferSpan(buffer.offset, 4)
        span.store(unit, at: 0)
    }
}
