// The groups of shared subscriptions (MQTT 5 §4.8.2): who is in them, and whose turn it is.
//
// Called by TopicTree only. A group's number is drawn from a counter of 32 bits and lies in the slot that its low bits
// name, so that it is found without a search, and a queue may keep it long after the group ended: it stands for no
// other group until the counter has gone round. Fatal: more than 2³¹ groups, and a member's index that is out of range.

/// One share name with one filter, and the subscriptions that are its members: never none.
struct SubscriptionGroup {
    /// `none`: the slot is free.
    var number = none
    /// Its entry in the list of the filter's node.
    var entry = none
    /// The index of the member whose turn is next.
    var next: UInt32 = 0
    var members: [UInt32] = []
    var name: [UInt8] = []
}

/// All groups, found by number, and by node and share name.
struct SubscriptionGroups: ~Copyable {
    private struct Key: Hashable {
        var node: UInt32
        var name: [UInt8]
    }

    /// By the low bits of the group's number; a power of two of them.
    private var slots = [SubscriptionGroup](repeating: SubscriptionGroup(), count: 64)
    private var numbers: [Key: UInt32] = [:]
    private var latest: UInt32

    /// - Parameter first: the number of the first group.
    init(first: UInt32 = 0) { latest = first &- 1 }

    var count: Int { numbers.count }

    @inline(__always)
    private func slot(of number: UInt32) -> Int { Int(number) & (slots.count &- 1) }

    @inline(__always)
    func contains(_ number: UInt32) -> Bool { number != none && slots[slot(of: number)].number == number }

    /// The members of a group, none if there is no such group.
    @inline(__always)
    func memberCount(_ number: UInt32) -> Int { contains(number) ? slots[slot(of: number)].members.count : 0 }

    /// The subscription of the member at `index` of an existing group.
    @inline(__always)
    func member(_ index: Int, of number: UInt32) -> UInt32 { slots[slot(of: number)].members[index] }

    /// The subscription whose turn it is in an existing group; the turn goes to the one after it.
    @inline(__always)
    mutating func takeTurn(_ number: UInt32) -> UInt32 {
        let slot = slot(of: number)
        let index = slots[slot].next
        let following = index &+ 1
        slots[slot].next = Int(following) == slots[slot].members.count ? 0 : following
        return slots[slot].members[Int(index)]
    }

    func name(_ number: UInt32) -> [UInt8]? { contains(number) ? slots[slot(of: number)].name : nil }

    /// The entry of an existing group in the list of its node.
    func entry(_ number: UInt32) -> UInt32 { slots[slot(of: number)].entry }

    /// The number of the group `name` at a node, or `none`.
    func find(_ name: [UInt8], node: UInt32) -> UInt32 { numbers[Key(node: node, name: name)] ?? none }

    /// A number for a new group.
    mutating func draw() -> UInt32 {
        if numbers.count * 2 >= slots.count { grow() }
        repeat { latest &+= 1 } while latest == none || slots[slot(of: latest)].number != none
        return latest
    }

    /// Begins the group with a number that was drawn; its first member joins next.
    mutating func open(_ number: UInt32, _ name: [UInt8], node: UInt32, entry: UInt32) {
        numbers[Key(node: node, name: name)] = number
        slots[slot(of: number)] = SubscriptionGroup(number: number, entry: entry, name: name)
    }

    /// Ends a group, whose last member has left.
    mutating func close(_ number: UInt32, node: UInt32) {
        numbers[Key(node: node, name: slots[slot(of: number)].name)] = nil
        slots[slot(of: number)] = SubscriptionGroup()
    }

    /// Adds a subscription to a group and returns its index there. Its first turn is the last of this round.
    mutating func join(_ number: UInt32, _ subscription: UInt32) -> UInt32 {
        let slot = slot(of: number)
        slots[slot].members.append(subscription)
        return UInt32(slots[slot].members.count - 1)
    }

    /// Takes the member at `index` out of a group. Others move into the gaps, at most one of those that had their turn
    /// and one of those that wait for it, so that neither has to have it twice nor misses it.
    ///
    /// - Parameter moved: called with a member's subscription and its new index.
    mutating func leave(_ number: UInt32, index: Int, moved: (UInt32, UInt32) -> Void) {
        let slot = slot(of: number)
        let next = Int(slots[slot].next)
        var gap = index
        if gap < next {
            gap = next - 1
            slots[slot].members[index] = slots[slot].members[gap]
            moved(slots[slot].members[index], UInt32(index))
            slots[slot].next -= 1
        }
        let last = slots[slot].members.removeLast()
        if gap < slots[slot].members.count {
            slots[slot].members[gap] = last
            moved(last, UInt32(gap))
        }
        if Int(slots[slot].next) == slots[slot].members.count { slots[slot].next = 0 }
    }

    /// Numbers that differ in the low bits still do with one bit more.
    private mutating func grow() {
        let old = slots
        slots = [SubscriptionGroup](repeating: SubscriptionGroup(), count: old.count * 2)
        for group in old where group.number != none { slots[slot(of: group.number)] = group }
    }
}
