// Which messages of other brokers of a cluster have come, so that each has its effect once. A value; what it knows is in the
// store with the effects.

import EventLoop
import Messages
import Store

struct Seen {
    /// Messages of one broker that are known. A cluster's bridge has fewer that may come again: those that it may have unconfirmed
    /// (`in_flight`), and those that RabbitMQ may send without an acknowledgement (`prefetch`). An older one counts as new.
    static let window = 8192
    /// Brokers that are known; the one that was silent for longest gives way.
    static let nodes = 64
    /// Messages in a row of the store.
    static let block = 32
    private static var blocks: Int { window / block }

    struct Item {
        var number: UInt64
        /// Where the frame that brought it begins in the bridge's stream.
        var offset: UInt64
    }

    struct Node {
        var name: [UInt8]
        /// A ring.
        var items: [Item] = []
        var places: [UInt64: Int] = [:]
        /// Messages that have come: the next one's place in the ring is the rest of this by `window`.
        var count: UInt64 = 0
        /// Blocks that are to be written, each once.
        var touched: [Int] = []
        var heardAt: UInt64 = 0
    }

    private(set) var known: [Node] = []
    private var heard: UInt64 = 0
    /// The node that spoke last.
    private var last = 0
    /// Whether something is to be written.
    private(set) var isTouched = false
    /// Rows that are to be removed: those of nodes that gave way.
    private var removals: [Int] = []

    enum Verdict {
        case new
        /// It is this very frame that brought it, which is handled anew.
        case same
        case repeated
    }

    /// - Parameter offset: where the frame begins in the bridge's stream.
    mutating func verdict(_ origin: MessageOrigin, at offset: UInt64) -> Verdict {
        guard let node = find(origin.node), let place = known[node].places[origin.identity.number] else { return .new }
        return known[node].items[place].offset == offset ? .same : .repeated
    }

    /// Notes a message that is new.
    mutating func insert(_ origin: MessageOrigin, at offset: UInt64) {
        let node = find(origin.node) ?? add(origin.node)
        heard += 1
        known[node].heardAt = heard
        let place = Int(known[node].count % UInt64(Self.window))
        let item = Item(number: origin.identity.number, offset: offset)
        if place < known[node].items.count {
            known[node].places[known[node].items[place].number] = nil
            known[node].items[place] = item
        } else {
            known[node].items.append(item)
        }
        known[node].places[item.number] = place
        known[node].count += 1
        let block = place / Self.block
        if known[node].touched.last != block { known[node].touched.append(block) }
        isTouched = true
    }

    private mutating func find(_ name: [UInt8]) -> Int? {
        if last < known.count, known[last].name == name { return last }
        guard let node = known.firstIndex(where: { $0.name == name }) else { return nil }
        last = node
        return node
    }

    private mutating func add(_ name: [UInt8]) -> Int {
        guard known.count == Self.nodes else {
            known.append(Node(name: name))
            return known.count - 1
        }
        let oldest = known.indices.min { known[$0].heardAt < known[$1].heardAt } ?? 0
        known[oldest] = Node(name: name)
        removals.append(oldest)
        return oldest
    }

    // MARK: the store

    /// Writes what has come since this was last called.
    mutating func write(to log: inout ChangeLog) {
        for node in removals { log.removeSeen(UInt32(node * Self.blocks)..<UInt32((node + 1) * Self.blocks)) }
        removals = []
        for node in known.indices where !known[node].touched.isEmpty {
            for block in known[node].touched { log.putSeen(row(node, block)) }
            known[node].touched.removeAll(keepingCapacity: true)
        }
        isTouched = false
    }

    private func row(_ node: Int, _ block: Int) -> StoredSeen {
        let start = block * Self.block
        let items = known[node].items[start..<min(start + Self.block, known[node].items.count)]
        var bytes: [UInt8] = []
        bytes.reserveCapacity(items.count * 16)
        for item in items {
            for value in [item.number, item.offset] {
                for shift in stride(from: UInt64(0), to: 64, by: 8) {
                    bytes.append(UInt8(truncatingIfNeeded: value >> shift))
                }
            }
        }
        return StoredSeen(
            number: UInt32(node * Self.blocks + block), node: known[node].name, count: known[node].count, items: bytes)
    }

    /// Takes over what an earlier router has written. A row that does not fit the others is left out.
    mutating func load(_ rows: [StoredSeen]) {
        for row in rows.sorted(by: { $0.number < $1.number }) {
            let (node, block) = Int(row.number).quotientAndRemainder(dividingBy: Self.blocks)
            guard node < Self.nodes, row.items.count % 16 == 0 else { continue }
            while known.count <= node { known.append(Node(name: row.node)) }
            if known[node].items.isEmpty { known[node].name = row.node }
            guard known[node].name == row.node, known[node].items.count == block * Self.block else { continue }
            known[node].count = max(known[node].count, row.count)
            let bytes = row.items.span.raw
            for start in stride(from: 0, to: bytes.byteCount, by: 16) {
                let item = Item(number: bytes.load64(at: start), offset: bytes.load64(at: start + 8))
                known[node].places[item.number] = known[node].items.count
                known[node].items.append(item)
            }
        }
        for node in known.indices {
            // Nothing is known of where the next one goes but by the count.
            if known[node].items.count < Self.window { known[node].count = UInt64(known[node].items.count) }
        }
    }
}
