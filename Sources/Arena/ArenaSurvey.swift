// What a supervisor that did not make an arena must know of it: how large it is, and which slots are taken.

import CArena
import Glibc
import Messages

/// An arena as a supervisor sees it, who never maps one.
package struct ArenaSurvey {
    /// A slot that had a connection once.
    package struct Slot: Equatable, Sendable {
        /// Of the connection in it, or of the last one.
        package var generation: UInt32
        package var isFree: Bool
        package var acceptNumber: UInt64
    }

    package let byteCount: UInt64
    package let slotCount: UInt32
    package let slots: [Slot]
    private let queueBytes: UInt64
    private let batchBytes: UInt64

    /// - Throws: `ArenaError.layout` where it is not an arena of a layout that this program knows.
    package init(descriptor: Int32) throws(ArenaError) {
        var header = apus_arena_header()
        // The call writes one value of its type, which is plain data.
        let count = unsafe pread(descriptor, &header, MemoryLayout<apus_arena_header>.size, 0)
        guard count == MemoryLayout<apus_arena_header>.size else { throw .system("read the header of an arena", errno) }
        guard header.magic == UInt64(APUS_ARENA_MAGIC), Layout.isKnown(UInt16(clamping: header.version)) else {
            throw .layout("an arena of \(Layout.refusal(header.version))")
        }
        byteCount = header.byte_count
        slotCount = header.slot_count
        queueBytes = header.queue_bytes
        batchBytes = header.batch_bytes
        slots = try Self.readSlots(descriptor, header)
    }

    private static func readSlots(_ descriptor: Int32, _ header: apus_arena_header) throws(ArenaError) -> [Slot] {
        let used = Int(min(header.slots_used, UInt64(header.slot_count)))
        var slots = [apus_slot](repeating: apus_slot(), count: used)
        let size = used * MemoryLayout<apus_slot>.stride
        // The array has the room that the call is told; a slot is plain data.
        let count = unsafe slots.withUnsafeMutableBytes { room in
            unsafe pread(descriptor, room.baseAddress, size, off_t(header.slots))
        }
        guard used == 0 || count == size else { throw .system("read the slots of an arena", errno) }
        return slots.map {
            Slot(generation: $0.hot.generation, isFree: $0.hot.state == 0, acceptNumber: $0.cold.accept_number)
        }
    }

    /// Whether a listener with these limits can use it.
    package func fits(_ layout: ArenaLayout) -> Bool {
        let header = layout.header
        // Each slot takes its part of the two: what is left is for the longest packet.
        func room(_ bytes: UInt64, _ slots: UInt32, _ each: UInt64) -> UInt64 { bytes - 2 * each * UInt64(slots) }
        return room(header.queue_bytes, header.slot_count, 72) <= room(queueBytes, slotCount, 72)
            && room(header.batch_bytes, header.slot_count, 8) <= room(batchBytes, slotCount, 8)
    }
}
