// The hash table in which TopicNodes finds the children of a node, and the router the session of a client. It doubles when
// half full, and moves what it has bit by bit with what is inserted next: nobody waits for all of it, however much it is.
//
// Fatal: removing what is not in the table.

import EventLoop

/// A set of numbers from 1 on, found by 32-bit hashes that need not be unique.
struct NumberTable: ~Copyable {
    private var slots = NumberSlots(64)
    /// What has not moved yet since it was doubled, and the first slot that may have something.
    private var former = NumberSlots(0)
    private var moving = 0
    private(set) var count = 0

    /// A search for the numbers with one hash. It ends with the next change.
    struct Probe {
        fileprivate let hash: UInt32
        fileprivate var slot: Int
        fileprivate var isInFormer = false
    }

    @inline(__always)
    func probe(_ hash: UInt32) -> Probe { Probe(hash: hash, slot: slots.home(of: hash)) }

    /// The next number with the hash; 0: there are no more.
    @inline(__always)
    func next(_ probe: inout Probe) -> UInt32 {
        if !probe.isInFormer {
            let number = slots.next(probe.hash, &probe.slot)
            if number != 0 || former.isEmpty { return number }
            probe = Probe(hash: probe.hash, slot: former.home(of: probe.hash), isInFormer: true)
        }
        return former.next(probe.hash, &probe.slot)
    }

    mutating func insert(_ number: UInt32, hash: UInt32) {
        count += 1
        if count * 2 > slots.count { grow() }
        slots.put(UInt64(hash) << 32 | UInt64(number))
        if !former.isEmpty { move() }
    }

    mutating func remove(_ number: UInt32, hash: UInt32) {
        count -= 1
        if let slot = slots.slot(of: number, hash) { return slots.clear(slot) }
        former.clear(former.slot(of: number, hash)!)
    }

    /// Bytes of memory that the table takes.
    var memory: Int { slots.memory + former.memory }

    private mutating func grow() {
        while !former.isEmpty { move() }
        var doubled = NumberSlots(slots.count * 2)
        swap(&slots, &doubled)
        former = doubled
        moving = 0
    }

    /// Moves what lies in the next few slots. Half as many insertions as there are slots go by until the next doubling.
    private mutating func move() {
        let end = min(moving + 4, former.count)
        while moving < end {
            let entry = former[moving]
            if entry == 0 {
                moving += 1
            } else {
                // Another may come in its place.
                former.clear(moving)
                slots.put(entry)
            }
        }
        if moving == former.count { former = NumberSlots(0) }
    }
}

/// Open addressing with linear probing. A slot is one word: the hash above, the number below; 0 marks an empty one.
private struct NumberSlots: ~Copyable {
    private var words = Table<UInt64>()

    /// - Parameter count: a power of two, or 0.
    init(_ count: Int) { words.appendZeros(upTo: count) }

    var isEmpty: Bool { words.isEmpty }
    var count: Int { words.count }
    var memory: Int { words.memory }

    subscript(slot: Int) -> UInt64 { words[slot] }

    @inline(__always)
    func home(of hash: UInt32) -> Int { Int(hash) & (words.count &- 1) }

    @inline(__always)
    private func after(_ slot: Int) -> Int { (slot &+ 1) & (words.count &- 1) }

    /// The number with the hash in `slot` or behind it, and then the slot after that; 0: there is none.
    @inline(__always)
    func next(_ hash: UInt32, _ slot: inout Int) -> UInt32 {
        while true {
            let word = words[slot]
            if word == 0 { return 0 }
            slot = after(slot)
            if UInt32(truncatingIfNeeded: word >> 32) == hash { return UInt32(truncatingIfNeeded: word) }
        }
    }

    func slot(of number: UInt32, _ hash: UInt32) -> Int? {
        var slot = home(of: hash)
        while words[slot] != 0 {
            if UInt32(truncatingIfNeeded: words[slot]) == number { return slot }
            slot = after(slot)
        }
        return nil
    }

    mutating func put(_ word: UInt64) {
        var slot = home(of: UInt32(truncatingIfNeeded: word >> 32))
        while words[slot] != 0 { slot = after(slot) }
        words[slot] = word
    }

    /// Empties a slot, and moves back whatever a search would no longer reach across the hole.
    mutating func clear(_ slot: Int) {
        var hole = slot
        var slot = after(hole)
        while words[slot] != 0 {
            let distance = (slot &- home(of: UInt32(truncatingIfNeeded: words[slot] >> 32))) & (words.count - 1)
            if distance >= (slot &- hole) & (words.count - 1) {
                words[hole] = words[slot]
                hole = slot
            }
            slot = after(slot)
        }
        words[hole] = 0
    }
}
