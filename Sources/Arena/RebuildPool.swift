// Finds the free buffers by a scan of the slots: when memory is fragmented, and after a listener's death.

import CArena

extension Arena {
    /// Every buffer that a slot owns, sorted by where it lies.
    package func buffersInUse() -> [Buffer] {
        var used: [Buffer] = []
        for slot in 0..<slotCount where self[slot].state != 0 {
            used.append(Buffer(unit: self[slot].input, sizeClass: self[slot].input_class))
            used.append(Buffer(unit: self[slot].output, sizeClass: self[slot].output_class))
            let aliases = Buffer(unit: self[cold: slot].aliases, sizeClass: self[cold: slot].alias_class)
            used.append(aliases)
            used.append(contentsOf: aliasBuffers(aliases))
            used.append(givenAliases(slot))
            used.append(
                Buffer(unit: self[cold: slot].client_id_overflow, sizeClass: self[cold: slot].client_id_class))
        }
        return used.filter(\.exists).sorted { $0.unit < $1.unit }
    }

    /// Makes the lists anew: all gaps between buffers in use, in pieces as large as possible.
    package mutating func rebuildPool() {
        pool.heads = .init(repeating: 0)
        var position: UInt32 = 1
        for buffer in buffersInUse() {
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
