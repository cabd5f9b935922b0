// Remembers the rows of topics that were matched before.
//
// Called by TopicTree only. An entry is found by the topic's hash and bytes and holds as long as its epoch is the
// present one: a subscription without wildcards spoils the entry of the one topic that it names, one with wildcards
// spoils all by a new epoch, so that nothing is searched at either. When something is full everything is forgotten,
// which costs each topic one walk. Nothing here is fatal.

/// A bounded hash table of topics over flat pools of their bytes, rows and identifiers.
struct MatchCache: ~Copyable {
    private struct Entry {
        var hash: UInt64 = 0
        /// `MatchCache.empty`, `MatchCache.spoiled`, or when the rows were found.
        var epoch = MatchCache.empty
        /// Where the topic's words begin, and its length in bytes.
        var words: UInt32 = 0
        var length: UInt32 = 0
        var rows = MatchRange(start: 0, count: 0)
    }

    private static let empty: UInt64 = 0
    private static let spoiled: UInt64 = 1

    let limits: Limits
    private var entries: [Entry]
    private var used = 0
    private var words: [UInt64] = []
    private var epoch: UInt64 = 2
    /// The rows of all entries, and at the end those of the match that is being made.
    var rows: [Recipient] = []
    var cells: [IdentifierCell] = []

    /// How much is remembered before everything is forgotten. The pools may exceed their limits by one match.
    struct Limits {
        /// Topics; rounded up to a power of two.
        var topics = 65536
        /// Bytes of topics.
        var bytes = 8 << 20
        /// Rows, and likewise subscription identifiers of rows that have several.
        var rows = 1 << 20
        /// Topics longer than this many bytes are walked every time.
        var topicLength = 1024
    }

    init(limits: Limits) {
        self.limits = limits
        entries = [Entry](repeating: Entry(), count: 1024)
    }

    /// Topics that are remembered, spoiled ones included.
    var count: Int { used }

    /// The slot of `topic`, or -1.
    @inline(__always)
    private func slot(of topic: Span<UInt8>, hash: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: hash) & (entries.count &- 1)
        while entries[slot].epoch != Self.empty {
            if entries[slot].hash == hash, Int(entries[slot].length) == topic.count,
                holds(Int(entries[slot].words), topic)
            {
                return slot
            }
            slot = (slot &+ 1) & (entries.count &- 1)
        }
        return -1
    }

    /// The words of a topic are its bytes in eights, the last eight overlapping those before.
    @inline(__always)
    private func holds(_ start: Int, _ topic: Span<UInt8>) -> Bool {
        let count = topic.count
        guard count >= 8 else { return words[start] == shortWord(topic) }
        var offset = 0
        var index = start
        while offset < count &- 8 {
            if words[index] != word(topic, at: offset) { return false }
            offset &+= 8
            index &+= 1
        }
        return words[index] == word(topic, at: count &- 8)
    }

    /// The rows of `topic`, if they are known.
    @inline(__always)
    func find(_ topic: Span<UInt8>, hash: UInt64) -> MatchRange? {
        let slot = slot(of: topic, hash: hash)
        guard slot >= 0, entries[slot].epoch == epoch else { return nil }
        return entries[slot].rows
    }

    /// Spoils the entry of one topic.
    mutating func spoil(_ topic: Span<UInt8>, hash: UInt64) {
        let slot = slot(of: topic, hash: hash)
        if slot >= 0 { entries[slot].epoch = Self.spoiled }
    }

    /// Spoils every entry.
    mutating func spoilAll() { epoch += 1 }

    /// Makes room for a match that is about to append its rows.
    mutating func prepare() {
        let isFull = used * 2 >= entries.count
        guard isFull || rows.count > limits.rows || cells.count > limits.rows || words.count * 8 > limits.bytes else {
            return
        }
        let capacity = isFull && entries.count < limits.topics * 2 ? entries.count * 2 : entries.count
        entries.removeAll(keepingCapacity: capacity == entries.count)
        entries.append(contentsOf: repeatElement(Entry(), count: capacity))
        used = 0
        words.removeAll(keepingCapacity: true)
        rows.removeAll(keepingCapacity: true)
        cells.removeAll(keepingCapacity: true)
    }

    /// Remembers the rows from `start` on as those of `topic`, and returns where they are now.
    mutating func record(_ topic: Span<UInt8>, hash: UInt64, from start: Int) -> MatchRange {
        let range = MatchRange(start: UInt32(start), count: UInt32(rows.count - start))
        guard topic.count <= limits.topicLength else { return range }
        let known = slot(of: topic, hash: hash)
        if known >= 0 {
            entries[known].epoch = epoch
            if entries[known].rows.count >= range.count {
                let old = Int(entries[known].rows.start)
                for index in 0..<Int(range.count) { rows[old + index] = rows[start + index] }
                rows.removeLast(Int(range.count))
                entries[known].rows.count = range.count
            } else {
                entries[known].rows = range
            }
            return entries[known].rows
        }
        var slot = Int(truncatingIfNeeded: hash) & (entries.count - 1)
        while entries[slot].epoch != Self.empty { slot = (slot + 1) & (entries.count - 1) }
        entries[slot] = Entry(
            hash: hash, epoch: epoch, words: UInt32(words.count), length: UInt32(topic.count), rows: range)
        used += 1
        guard topic.count >= 8 else {
            words.append(shortWord(topic))
            return range
        }
        for offset in stride(from: 0, to: topic.count - 8, by: 8) { words.append(word(topic, at: offset)) }
        words.append(word(topic, at: topic.count - 8))
        return range
    }
}
