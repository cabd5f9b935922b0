// Hashes topics and topic levels.
//
// Called by TopicTree, MatchCache, TopicNodes and RetainedSet. The secrets are drawn anew in every process, so that
// nobody outside can choose topics that collide. Nothing here is fatal.

/// The number that stands for "no node", "no subscription", "no message" wherever things are named by index.
let none = UInt32.max

/// The eight bytes at `offset`, first byte lowest. The checks and the eight loads compile to one comparison or two
/// and a single load.
@inline(__always)
func word(_ bytes: Span<UInt8>, at offset: Int) -> UInt64 {
    precondition(offset >= 0 && bytes.count >= 8 && offset <= bytes.count &- 8, "A word lies outside its topic.")
    return UInt64(bytes[offset]) | UInt64(bytes[offset &+ 1]) << 8 | UInt64(bytes[offset &+ 2]) << 16
        | UInt64(bytes[offset &+ 3]) << 24 | UInt64(bytes[offset &+ 4]) << 32 | UInt64(bytes[offset &+ 5]) << 40
        | UInt64(bytes[offset &+ 6]) << 48 | UInt64(bytes[offset &+ 7]) << 56
}

/// All of a text of fewer than eight bytes in one word, padded with zeros.
@inline(__always)
func shortWord(_ bytes: Span<UInt8>) -> UInt64 {
    var word: UInt64 = 0
    var index = min(bytes.count, 8)
    while index > 0 {
        index &-= 1
        word = word << 8 | UInt64(bytes[index])
    }
    return word
}

/// A keyed 64-bit hash that folds sixteen bytes with each 64 × 64 → 128-bit multiplication.
struct TopicHasher {
    private let first: UInt64
    private let second: UInt64
    private let third: UInt64

    init(seed: UInt64) {
        var state = seed
        func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
            return (mixed ^ mixed >> 31) | 1
        }
        first = next()
        second = next()
        third = next()
    }

    @inline(__always)
    private static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }

    /// The hash of a whole topic, or of a level that is too long to be kept in its node.
    @inline(__always)
    func hash(_ bytes: Span<UInt8>) -> UInt64 {
        let count = bytes.count
        var state = first ^ UInt64(truncatingIfNeeded: count)
        if count < 8 {
            state = Self.fold(shortWord(bytes) ^ second, state)
        } else {
            var offset = 0
            while count &- offset > 16 {
                state = Self.fold(word(bytes, at: offset) ^ second, word(bytes, at: offset &+ 8) ^ state)
                offset &+= 16
            }
            let penultimate = word(bytes, at: max(count &- 16, 0))
            state = Self.fold(penultimate ^ second, word(bytes, at: count &- 8) ^ state)
        }
        return Self.fold(state ^ second, third)
    }

    /// The hash of a level as it is kept in a node.
    @inline(__always)
    func hash(_ name: LevelName) -> UInt64 {
        Self.fold(name.low ^ first, name.withoutPlace ^ second ^ UInt64(name.length) << 40)
    }

    /// The hash of the pair that names a node: its parent and the hash of its own level.
    @inline(__always)
    func hash(parent: UInt32, level: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: Self.fold(level ^ third, UInt64(parent) &+ second) >> 16)
    }
}
