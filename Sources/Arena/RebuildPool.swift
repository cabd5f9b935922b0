// Finds the free buffers by a scan of the slots: when memory is fragmented, and after a listener's death.

import CArena

extension Arena {
    /// Slots that ever had a connection: those below.
    package var slotsUsed: Int { Int(min(head.slots_used, UInt64(slotCount))) }

    /// A connection is put into `slot`.
    package mutating func noteUse(of slot: Int) {
        head.slots_used = max(head.slots_used, UInt64(slot + 1))
    }

    /// Every buffer in use, sorted by where it lies.
    package func buffersInUse() -> [Buffer] {
        var used = [stepReadBuffer]
        for slot in 0..<slotsUsed where self[slot].state != 0 { used += buffers(of: slot) }
        return used.filter(\.exists).sorted { $0.unit < $1.unit }
    }

    /// The buffers that a slot owns.
    func buffers(of slot: Int) -> [Buffer] {
        let aliases = Buffer(unit: self[cold: slot].aliases, sizeClass: self[cold: slot].alias_class)
        let own = [
            Buffer(unit: self[slot].input, sizeClass: self[slot].input_class),
            Buffer(unit: self[slot].output, sizeClass: self[slot].output_class),
            Buffer(unit: self[cold: slot].client_id_overflow, sizeClass: self[cold: slot].client_id_class),
            givenAliases(slot), aliases,
        ]
        return own.filter(\.exists) + aliasBuffers(aliases) + recordBuffers(slot)
    }

    /// A connection is over, and the router need not be told of it any more: its slot is free. Not within a step or batch.
    package mutating func vacate(_ slot: Int) {
        let owned = self[cold: slot].record != 0 || self[cold: slot].client_id_overflow != 0 ? buffers(of: slot) : []
        self[slot].state = 0
        apus_barrier()
        for buffer in owned { free(buffer) }
    }

    /// Makes the lists anew: all gaps between buffers in use, in pieces as large as possible.
    package mutating func rebuildPool() {
        pool.heads = .init(repeating: 0)
        var position: UInt32 = 1
        for buffer in buffersInUse() where buffer.unit >= position {
            freeGap(from: position, to: buffer.unit)
            position = buffer.unit + (1 << UInt32(buffer.sizeClass))
        }
        pool.frontier = position
    }

    private mutating func freeGap(from start: UInt32, to end: UInt32) {
        var position = start
        while position < end {
            let largest = min(31 - (end - position).leadingZeroBitCount, BufferPool.classCount - 1)
            free(Buffer(unit: position, sizeClass: UInt8(largest)))
            position += 1 << UInt32(largest)
        }
    }
}
