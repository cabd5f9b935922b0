// How large an arena's regions are and where they lie. The supervisor makes an arena by this; a listener reads the
// result from the arena's header.

package import CArena
import CLinux
import Glibc
import Messages

/// The sizes that the configuration asks of an arena, in bytes and slots.
package struct ArenaLayout: Equatable, Sendable {
    /// The most connections at once.
    package var slots: UInt32
    /// What all buffers together may take. Memory is used only as far as it is touched.
    package var buffers: UInt64
    /// The longest packet, which bounds a frame.
    package var largestPacket: UInt32

    package init(slots: UInt32, buffers: UInt64, largestPacket: UInt32) {
        self.slots = slots
        self.buffers = buffers
        self.largestPacket = largestPacket
    }

    /// PUBLISH bytes that the router may leave unacknowledged before publishers are held back.
    package static let publishWindow: UInt64 = 1 << 20
    /// What acknowledgements may take beyond that.
    package static let acknowledgementReserve: UInt64 = 1 << 20
    /// Bytes that the router may have handled while they are not safe yet, and so are kept. The router gives them up in
    /// pieces of 4 MiB.
    package static let keptWindow: UInt64 = 8 << 20
    /// Other listeners whose streams are told apart.
    static let marks = 1024

    /// The filled-in header: every region starts at a page.
    package var header: apus_arena_header {
        var header = apus_arena_header()
        var end: UInt64 = 4096
        func region(_ bytes: UInt64) -> UInt64 {
            defer { end += (bytes + 4095) & ~4095 }
            return end
        }
        // A frame is a packet and its envelope; a delivery to every slot names each in eight bytes.
        let frame = UInt64(largestPacket) + 4096 + 8 * UInt64(slots)
        header.magic = UInt64(APUS_ARENA_MAGIC)
        header.version = UInt32(Layout.inForce)
        header.slot_count = slots
        header.slots = region(UInt64(slots) * UInt64(MemoryLayout<apus_slot>.stride))
        header.preimages = region(UInt64(slots) * UInt64(MemoryLayout<apus_preimage>.stride))
        // Each slot's cold part and record, once a batch, each with where it lies.
        header.undo_bytes = (UInt64(slots) + 1) * 288
        header.undo = region(header.undo_bytes)
        // Small leftovers are put before what is read, large packets are read into buffers of their own.
        header.raw_bytes = UInt64(Arena.receiveSize + Arena.smallLeftover)
        header.raw = region(header.raw_bytes)
        header.plain_bytes = header.raw_bytes
        header.plain = region(header.plain_bytes)
        header.marks_bytes = UInt64(Self.marks * MemoryLayout<apus_mark>.stride)
        header.marks = region(header.marks_bytes)
        // Twice, because what is kept moves to the front when it has reached the end; each slot may in
        // addition say its CONNECT's end.
        header.queue_bytes =
            2 * (Self.keptWindow + Self.publishWindow + Self.acknowledgementReserve + frame + 64 * UInt64(slots))
        header.queue = region(header.queue_bytes)
        header.batch_bytes = 2 * (deliveryWindow + frame)
        header.batch = region(header.batch_bytes)
        header.buffers_bytes = buffers
        header.buffers = region(buffers)
        header.byte_count = end
        return header
    }

    /// Makes the memfd of an arena and writes its header.
    /// - Parameters:
    ///   - name: shown in /proc, for the operator.
    ///   - origin: the offset at which the stream to the router begins. Above all that a former arena of the same place has
    ///     reached, so that what is remembered of that one's stream is not taken for this one's.
    /// - Returns: the descriptor, closed on exec, and the size to be told with `ArenaOffer`.
    /// - Throws: the failed call's `errno`.
    package func create(name: String, origin: UInt64 = 0) throws(ArenaError) -> (descriptor: Int32, byteCount: UInt64) {
        var header = self.header
        header.queue_origin = origin
        header.queue_acknowledged = origin
        header.queue_answered = origin
        header.queue_sent = origin
        header.queue_produced = origin
        let descriptor = unsafe apus_memory_file("apus-arena-\(name)", header.byte_count)
        guard descriptor >= 0 else { throw .system("create a memory file of \(header.byte_count) bytes", errno) }
        // A header is plain data, written once before anybody maps the file.
        let written = unsafe pwrite(descriptor, &header, MemoryLayout<apus_arena_header>.size, 0)
        guard written == MemoryLayout<apus_arena_header>.size else {
            let code = errno
            close(descriptor)
            throw .system("write the header of an arena", code)
        }
        return (descriptor, header.byte_count)
    }
}

/// Why an arena can not be made or used.
package enum ArenaError: Error, Equatable {
    /// A system call failed: what it was to do, and errno.
    case system(String, Int32)
    /// The memory is not an arena, or one of a layout that this binary does not know.
    case layout(String)
}
