// The open-addressing hash table in which TopicNodes finds the children of a node.
//
// Called by TopicNodes only. A slot is one word: the hash above, the node's number below; the root is nobody's child,
// so its number marks an empty slot. Fatal: removing what is not in the table.

/// A set of node numbers, found by 32-bit hashes that need not be unique.
struct NodeTable: ~Copyable {
    private var slots = [UInt64](repeating: 0, count: 64)
    private var count = 0

    @inline(__always)
    func home(of hash: UInt32) -> Int { Int(hash) & (slots.count &- 1) }

    @inline(__always)
    func after(_ slot: Int) -> Int { (slot &+ 1) & (slots.count &- 1) }

    @inline(__always)
    func node(at slot: Int) -> UInt32 { UInt32(truncatingIfNeeded: slots[slot]) }

    @inline(__always)
    func hash(at slot: Int) -> UInt32 { UInt32(truncatingIfNeeded: slots[slot] >> 32) }

    mutating func insert(_ node: UInt32, hash: UInt32) {
        count += 1
        if count * 2 > slots.count { grow() }
        put(UInt64(hash) << 32 | UInt64(node))
    }

    mutating func remove(_ node: UInt32, hash: UInt32) {
        count -= 1
        var hole = home(of: hash)
        while self.node(at: hole) != node { hole = after(hole) }
        // Move back whatever a search would no longer reach across the hole.
        var slot = after(hole)
        while slots[slot] != 0 {
            let distance = (slot &- home(of: self.hash(at: slot))) & (slots.count - 1)
            if distance >= (slot &- hole) & (slots.count - 1) {
                slots[hole] = slots[slot]
                hole = slot
            }
            slot = after(slot)
        }
        slots[hole] = 0
    }

    /// Bytes of memory that the table takes.
    var memory: Int { slots.count * MemoryLayout<UInt64>.stride }

    private mutating func put(_ entry: UInt64) {
        var slot = home(of: UInt32(truncatingIfNeeded: entry >> 32))
        while slots[slot] != 0 { slot = after(slot) }
        slots[slot] = entry
    }

    private mutating func grow() {
        let old = slots
        slots = [UInt64](repeating: 0, count: old.count * 2)
        for entry in old where entry != 0 { put(entry) }
    }
}
