// Which connection is in which slot of a listener's arena, and the supervisor's duplicate of its socket. A value; it
// makes no system call: whoever takes a descriptor out closes it.

package import Messages

/// The slots of one listener.
package struct SlotTable: Sendable {
    package struct Slot: Sendable, Equatable {
        package var index: UInt32
        package var generation: UInt32
    }

    private struct Entry: Sendable {
        /// Of the connection in the slot, or of the last one.
        var generation: UInt32 = 0
        /// -1 while it is free.
        var descriptor: Int32 = -1
        var connection: Accepted.Connection?
        /// Its socket is closed, the listener has not given it back.
        var isDeparting = false
    }

    package let capacity: Int
    package private(set) var count = 0
    /// Grows up to the capacity; the slots that were used once.
    private var entries: [Entry] = []
    /// The slot that was freed last is used first: its memory is warm.
    private var free: [UInt32] = []

    package init(capacity: Int) { self.capacity = capacity }

    /// A slot of an arena that another supervisor gave away.
    package struct Former: Sendable {
        package var generation: UInt32
        package var isFree: Bool

        package init(generation: UInt32, isFree: Bool) {
            self.generation = generation
            self.isFree = isFree
        }
    }

    /// The table of an arena as it was left. Slots that are not free are `restore`d, or were being given back.
    package init(capacity: Int, former: [Former]) {
        self.capacity = capacity
        entries = former.map { Entry(generation: $0.generation, isDeparting: !$0.isFree) }
        free = former.indices.filter { former[$0].isFree }.map(UInt32.init).reversed()
    }

    /// Puts a connection back into its slot.
    /// - Returns: false where the slot has another one, or is none, or the listener has given it back.
    package mutating func restore(_ connection: Accepted.Connection, _ descriptor: Int32) -> Bool {
        let index = Int(connection.slot)
        guard index < capacity else { return false }
        // The listener that died may not have seen it.
        while entries.count <= index {
            free.append(UInt32(entries.count))
            entries.append(Entry())
        }
        guard entries[index].descriptor < 0,
            entries[index].isDeparting
                ? entries[index].generation == connection.generation : entries[index].generation < connection.generation
        else { return false }
        if !entries[index].isDeparting { free.removeAll { $0 == connection.slot } }
        entries[index] = Entry(
            generation: connection.generation, descriptor: descriptor, connection: connection)
        count += 1
        return true
    }

    /// Whether that connection is in its slot.
    package func holds(_ connection: Accepted.Connection) -> Bool {
        let index = Int(connection.slot)
        return index < entries.count && entries[index].descriptor >= 0
            && entries[index].generation == connection.generation
    }

    package var isFull: Bool { count >= capacity }

    /// Puts a connection into a free slot; nil where there is none. The generation is never 0.
    package mutating func open(_ descriptor: Int32) -> Slot? {
        precondition(descriptor >= 0)
        let index: UInt32
        if let last = free.popLast() {
            index = last
        } else {
            guard entries.count < capacity else { return nil }
            index = UInt32(entries.count)
            entries.append(Entry())
        }
        count += 1
        let generation = entries[Int(index)].generation &+ 1
        entries[Int(index)] = Entry(generation: generation == 0 ? 1 : generation, descriptor: descriptor)
        return Slot(index: index, generation: entries[Int(index)].generation)
    }

    /// Notes what a successor of the listener has to be told of the connection in a slot.
    package mutating func describe(_ connection: Accepted.Connection) {
        entries[Int(connection.slot)].connection = connection
    }

    /// Up to `count` described connections in slots from `start` on, and the slot behind them; `Int.max` where no more
    /// slots were ever used.
    package func connections(
        from start: Int, count: Int
    ) -> (connections: [Accepted.Connection], descriptors: [Int32], next: Int) {
        var connections: [Accepted.Connection] = []
        var descriptors: [Int32] = []
        var index = start
        while index < entries.count, connections.count < count {
            if entries[index].descriptor >= 0, let connection = entries[index].connection {
                connections.append(connection)
                descriptors.append(entries[index].descriptor)
            }
            index += 1
        }
        return (connections, descriptors, index < entries.count ? index : .max)
    }

    /// Frees a slot and gives back its descriptor; nil, and nothing done, where the slot is free, unknown or of another
    /// generation: late reports are ignored.
    package mutating func close(_ slot: Slot) -> Int32? {
        guard slot.index < entries.count else { return nil }
        let entry = entries[Int(slot.index)]
        if entry.isDeparting, entry.generation == slot.generation {
            entries[Int(slot.index)].isDeparting = false
            free.append(slot.index)
            return nil
        }
        guard entry.descriptor >= 0, entry.generation == slot.generation else { return nil }
        entries[Int(slot.index)].descriptor = -1
        free.append(slot.index)
        count -= 1
        return entry.descriptor
    }

    /// Frees every slot and gives back their descriptors.
    package mutating func closeAll() -> [Int32] {
        var descriptors: [Int32] = []
        for index in entries.indices where entries[index].descriptor >= 0 {
            descriptors.append(entries[index].descriptor)
            entries[index].descriptor = -1
            free.append(UInt32(index))
        }
        count = 0
        return descriptors
    }
}
