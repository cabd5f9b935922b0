// One level of a topic or filter: the text between two slashes.
//
// Called by TopicTree and RetainedSet, which cut topics and filters into levels, and by TopicNodes, which keeps them.
// Nothing here is fatal.

/// The text of a level as a node keeps it. Up to sixteen bytes are kept in place, so that almost every comparison is
/// two integers; of a longer text the hash, its place in the pool of long names, and its first byte.
struct LevelName {
    static let inPlace = 16

    var low: UInt64
    var high: UInt64
    var length: UInt32

    static let empty = LevelName(low: 0, high: 0, length: 0)

    @inline(__always)
    var isLong: Bool { length > Self.inPlace }

    /// Whether the text begins with `$`, which no wildcard at the first level matches [MQTT-4.7.2-1].
    var isReserved: Bool {
        length > 0 && UInt8(truncatingIfNeeded: isLong ? high >> 32 : low) == UInt8(ascii: "$")
    }

    /// Where the text lies, of a long name.
    var place: UInt32 {
        get { UInt32(truncatingIfNeeded: high) }
        set { high = withoutPlace | UInt64(newValue) }
    }

    /// The second word, the same for the same text.
    @inline(__always)
    var withoutPlace: UInt64 { isLong ? high & ~UInt64(UInt32.max) : high }

    /// Whether both name the same text, long ones as far as their hashes and first bytes tell.
    @inline(__always)
    func resembles(_ other: LevelName) -> Bool {
        low == other.low && length == other.length && withoutPlace == other.withoutPlace
    }
}

/// A level found in a topic or filter.
struct Level {
    var name: LevelName
    /// The hash of the text, without regard to the parent.
    var hash: UInt64
    var start: Int
    /// The index of the slash that ends the level, or the text's length.
    var end: Int
    var isPlus: Bool { name.length == 1 && name.low == UInt64(UInt8(ascii: "+")) }
    var isMulti: Bool { name.length == 1 && name.low == UInt64(UInt8(ascii: "#")) }
}

extension TopicHasher {
    /// The level of `text` that starts at `start`, which is at most the text's length. Empty levels are levels
    /// (specification, section 4.7.1.1).
    @inline(__always)
    func level(of text: Span<UInt8>, from start: Int) -> Level {
        var end = start
        var low: UInt64 = 0
        var high: UInt64 = 0
        while end < text.count, text[end] != UInt8(ascii: "/") {
            let index = end &- start
            if index < 8 {
                low |= UInt64(text[end]) << UInt64(truncatingIfNeeded: index &* 8)
            } else if index < LevelName.inPlace {
                high |= UInt64(text[end]) << UInt64(truncatingIfNeeded: (index &- 8) &* 8)
            }
            end &+= 1
        }
        let length = UInt32(truncatingIfNeeded: end &- start)
        if length > LevelName.inPlace {
            low = hash(text.extracting(start..<end))
            high = UInt64(text[start]) << 32
        }
        let name = LevelName(low: low, high: high, length: length)
        return Level(name: name, hash: hash(name), start: start, end: end)
    }
}
