// The tree of topic levels: nodes in one table, found by their parent and text through one hash table.
//
// Called by TopicTree, which hangs subscriptions on the nodes, and by RetainedSet, which hangs messages on them. A node
// without children, content or pins is given back at once. Memory never shrinks below its peak, which the owners'
// limits bound. Fatal: a node's number that is out of range.

import EventLoop

/// A level within a tree.
struct TopicNode {
    var name: LevelName
    var parent: UInt32
    /// What the owner keeps here: its first subscription, or its message.
    var content = none
    /// Children, and whatever else must keep the node.
    var references: UInt32 = 0
    /// The children named `+` and `#`.
    var plus = none
    var multi = none
    /// The list of children. A new child comes first, so that who walks the list sees every older one once.
    var firstChild = none
    var next = none
    var previous = none
}

/// A tree of topic levels. Node 0 is the root; it has no text and is never removed.
struct TopicNodes: ~Copyable {
    static let root: UInt32 = 0

    let hasher: TopicHasher
    private(set) var nodes = Table<TopicNode>()
    private var names = BytePool()
    private var table = NumberTable()
    private var free = none
    /// Nodes in use beside the root.
    private(set) var count = 0

    init(hasher: TopicHasher) {
        self.hasher = hasher
        nodes.append(TopicNode(name: .empty, parent: none))
    }

    @inline(__always)
    subscript(node: UInt32) -> TopicNode { nodes[Int(node)] }

    mutating func setContent(_ content: UInt32, of node: UInt32) { nodes[Int(node)].content = content }

    /// The child of `parent` that `level` of `text` names, or `none`.
    @inline(__always)
    func child(of parent: UInt32, _ level: Level, in text: Span<UInt8>) -> UInt32 {
        let hash = hasher.hash(parent: parent, level: level.hash)
        var probe = table.probe(hash)
        while true {
            // The root, which is 0, is nobody's child.
            let candidate = table.next(&probe)
            if candidate == TopicNodes.root { return none }
            if names(candidate, parent, level, in: text) { return candidate }
        }
    }

    @inline(__always)
    private func names(_ node: UInt32, _ parent: UInt32, _ level: Level, in text: Span<UInt8>) -> Bool {
        let name = nodes[Int(node)].name
        guard nodes[Int(node)].parent == parent, name.resembles(level.name) else { return false }
        return !name.isLong || names.holds(name.place, text.extracting(level.start..<level.end))
    }

    /// The child of `parent` that `level` of `text` names, made where there is none.
    mutating func makeChild(of parent: UInt32, _ level: Level, in text: Span<UInt8>) -> UInt32 {
        let known = child(of: parent, level, in: text)
        guard known == none else { return known }
        var node = TopicNode(name: level.name, parent: parent)
        if level.name.isLong {
            node.name.place = names.allocate(Int(level.name.length))
            names.write(text.extracting(level.start..<level.end), to: node.name.place)
        }
        let sibling = nodes[Int(parent)].firstChild
        node.next = sibling
        let number = place(node)
        if sibling != none { nodes[Int(sibling)].previous = number }
        nodes[Int(parent)].firstChild = number
        nodes[Int(parent)].references += 1
        if level.isPlus { nodes[Int(parent)].plus = number }
        if level.isMulti { nodes[Int(parent)].multi = number }
        table.insert(number, hash: hasher.hash(parent: parent, level: level.hash))
        count += 1
        return number
    }

    private mutating func place(_ node: TopicNode) -> UInt32 {
        guard free != none else {
            nodes.append(node)
            return UInt32(nodes.count - 1)
        }
        let number = free
        free = nodes[Int(number)].next
        nodes[Int(number)] = node
        return number
    }

    /// Keeps `node`, and so its ancestors, until `unpin(_:)`.
    mutating func pin(_ node: UInt32) { nodes[Int(node)].references += 1 }

    /// Ends what `pin(_:)` began.
    mutating func unpin(_ node: UInt32) {
        nodes[Int(node)].references -= 1
        release(node)
    }

    /// Removes `node` if nothing needs it, then whichever of its ancestors nothing needs either.
    mutating func release(_ node: UInt32) {
        var node = node
        while node != TopicNodes.root, nodes[Int(node)].references == 0, nodes[Int(node)].content == none {
            node = remove(node)
        }
    }

    /// Removes `node` and returns its parent.
    private mutating func remove(_ number: UInt32) -> UInt32 {
        let node = nodes[Int(number)]
        let parent = node.parent
        table.remove(number, hash: hasher.hash(parent: parent, level: hasher.hash(node.name)))
        if node.name.isLong { names.free(node.name.place, Int(node.name.length)) }
        if node.next != none { nodes[Int(node.next)].previous = node.previous }
        if node.previous != none {
            nodes[Int(node.previous)].next = node.next
        } else {
            nodes[Int(parent)].firstChild = node.next
        }
        if nodes[Int(parent)].plus == number { nodes[Int(parent)].plus = none }
        if nodes[Int(parent)].multi == number { nodes[Int(parent)].multi = none }
        nodes[Int(parent)].references -= 1
        nodes[Int(number)].next = free
        free = number
        count -= 1
        return parent
    }

    /// Bytes of memory that the tree takes, reserves included.
    var memory: Int { nodes.memory + table.memory + names.memory }

    /// Writes the text of `node` and its ancestors, slashes between them, into `text`, and returns whether one of
    /// them is a wildcard.
    func spell(_ node: UInt32, into text: inout [UInt8]) -> Bool {
        var (at, length, wildcard) = (node, -1, false)
        while at != TopicNodes.root {
            length += Int(nodes[Int(at)].name.length) + 1
            let parent = nodes[Int(at)].parent
            wildcard = wildcard || nodes[Int(parent)].plus == at || nodes[Int(parent)].multi == at
            at = parent
        }
        text.removeAll(keepingCapacity: true)
        text.append(contentsOf: repeatElement(UInt8(ascii: "/"), count: max(length, 0)))
        (at, length) = (node, text.count)
        while at != TopicNodes.root {
            let name = nodes[Int(at)].name
            length -= Int(name.length)
            for index in 0..<Int(name.length) {
                text[length + index] = byte(index, of: name)
            }
            length -= 1
            at = nodes[Int(at)].parent
        }
        return wildcard
    }

    private func byte(_ index: Int, of name: LevelName) -> UInt8 {
        if name.isLong { return names.read(name.place, index..<(index + 1)) { $0[0] } }
        return UInt8(truncatingIfNeeded: (index < 8 ? name.low : name.high) >> UInt64(index % 8 * 8))
    }
}
