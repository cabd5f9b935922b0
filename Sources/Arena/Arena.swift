// The mapped arena: slots, and the regions that streams use. Everything else in this module works on it.
//
// All `unsafe` of the listener's memory is here and beside: the rest of the listener sees slots by number and spans
// that were checked against their region. Spans do not borrow the arena (it stays mapped as long as the process lives);
// that bytes being read are not written over is what steps and batches are for.

public import CArena
import CLinux
import Glibc
import Messages

/// A listener's lasting memory, as this process sees it.
@safe
@usableFromInline
package struct Arena: ~Copyable {
    @usableFromInline let base: UnsafeMutableRawPointer
    @usableFromInline let header: UnsafeMutablePointer<apus_arena_header>
    @usableFromInline let slots: UnsafeMutablePointer<apus_slot>
    @usableFromInline let preimages: UnsafeMutablePointer<apus_preimage>
    /// Where the buffers' region begins, and its bytes.
    @usableFromInline let buffers: UnsafeMutableRawPointer
    @usableFromInline let bufferBytes: Int

    /// The number of slots; valid slots are below it.
    @usableFromInline package let slotCount: Int
    /// Free buffers by size class.
    @usableFromInline var pool: BufferPool
    /// Bytes of the stream to the router that the step under way has added; committed when it ends.
    @usableFromInline var queueTail: UInt64

    /// Maps the arena that `descriptor` names. The descriptor may be closed afterwards.
    /// - Throws: `ArenaError.layout` where it is not an arena of a layout that this program knows.
    package init(descriptor: Int32, byteCount: UInt64) throws(ArenaError) {
        let address = unsafe mmap(
            nil, Int(byteCount), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0)
        guard byteCount >= 4096, let base = unsafe address, unsafe base != MAP_FAILED else {
            throw .system("map an arena of \(byteCount) bytes", errno)
        }
        let header = unsafe base.assumingMemoryBound(to: apus_arena_header.self)
        guard unsafe header.pointee.magic == UInt64(APUS_ARENA_MAGIC) else { throw .layout("not an arena") }
        guard unsafe Layout.isKnown(UInt16(clamping: header.pointee.version)) else {
            throw unsafe .layout("an arena of \(Layout.refusal(header.pointee.version))")
        }
        guard unsafe header.pointee.byte_count == byteCount else {
            throw .layout("arena of another size than announced")
        }
        unsafe self.base = base
        unsafe self.header = header
        unsafe slots = (base + Int(header.pointee.slots)).assumingMemoryBound(to: apus_slot.self)
        unsafe preimages = (base + Int(header.pointee.preimages)).assumingMemoryBound(to: apus_preimage.self)
        unsafe buffers = base + Int(header.pointee.buffers)
        bufferBytes = unsafe Int(header.pointee.buffers_bytes)
        slotCount = unsafe Int(header.pointee.slot_count)
        pool = BufferPool(units: UInt32(clamping: bufferBytes / Int(APUS_BUFFER_UNIT)))
        queueTail = unsafe header.pointee.queue_produced
    }

    /// The arena's first page: where the regions lie, the streams' offsets, the step and the batch under way.
    @inlinable
    var head: apus_arena_header {
        @inline(__always) unsafeAddress { return unsafe UnsafePointer(header) }
        @inline(__always) unsafeMutableAddress { return unsafe header }
    }

    /// The state of the connection in a slot.
    @inlinable
    package subscript(slot: Int) -> apus_slot_hot {
        @inline(__always) unsafeAddress {
            precondition(slot >= 0 && slot < slotCount)
            return unsafe UnsafePointer(UnsafeRawPointer(slots + slot).assumingMemoryBound(to: apus_slot_hot.self))
        }
        @inline(__always) unsafeMutableAddress {
            precondition(slot >= 0 && slot < slotCount)
            return unsafe UnsafeMutableRawPointer(slots + slot).assumingMemoryBound(to: apus_slot_hot.self)
        }
    }

    /// What is known of the connection in a slot beside its state.
    @inlinable
    package subscript(cold slot: Int) -> apus_slot_cold {
        @inline(__always) unsafeAddress {
            precondition(slot >= 0 && slot < slotCount)
            return unsafe UnsafePointer(
                (UnsafeRawPointer(slots + slot) + MemoryLayout<apus_slot_hot>.size)
                    .assumingMemoryBound(to: apus_slot_cold.self))
        }
        @inline(__always) unsafeMutableAddress {
            precondition(slot >= 0 && slot < slotCount)
            return unsafe (UnsafeMutableRawPointer(slots + slot) + MemoryLayout<apus_slot_hot>.size)
                .assumingMemoryBound(to: apus_slot_cold.self)
        }
    }

    /// The span of `count` bytes at `offset` of the buffers' region.
    @inlinable @inline(__always)
    @_lifetime(immortal)
    func bufferSpan(_ offset: Int, _ count: Int) -> RawSpan {
        precondition(offset >= 0 && count >= 0 && offset &+ count <= bufferBytes)
        return unsafe _overrideLifetime(RawSpan(_unsafeStart: buffers + offset, byteCount: count), copying: ())
    }

    @inlinable @inline(__always)
    @_lifetime(immortal)
    func mutableBufferSpan(_ offset: Int, _ count: Int) -> MutableRawSpan {
        precondition(offset >= 0 && count >= 0 && offset &+ count <= bufferBytes)
        return unsafe _overrideLifetime(MutableRawSpan(_unsafeStart: buffers + offset, byteCount: count), copying: ())
    }

    /// Bytes of a region of the arena, for the region's own file.
    @inlinable @inline(__always)
    @_lifetime(immortal)
    func regionSpan(_ region: UInt64, _ bytes: UInt64, _ offset: Int, _ count: Int) -> RawSpan {
        precondition(offset >= 0 && count >= 0 && UInt64(offset &+ count) <= bytes)
        return unsafe _overrideLifetime(
            RawSpan(_unsafeStart: base + Int(region) + offset, byteCount: count), copying: ())
    }

    @inlinable @inline(__always)
    @_lifetime(immortal)
    func mutableRegionSpan(_ region: UInt64, _ bytes: UInt64, _ offset: Int, _ count: Int) -> MutableRawSpan {
        precondition(offset >= 0 && count >= 0 && UInt64(offset &+ count) <= bytes)
        return unsafe _overrideLifetime(
            MutableRawSpan(_unsafeStart: base + Int(region) + offset, byteCount: count), copying: ())
    }
}
