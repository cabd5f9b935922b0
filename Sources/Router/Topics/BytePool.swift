// Keeps byte strings of any length, named by a 32-bit number, in segments that serve one size each.
//
// Called by TopicNodes for the names of long levels, by RetainedSet for messages that are retained and by MessagePool for
// those that wait. Memory grows a segment at a time,
// so nothing that is kept is ever moved, and a segment that has become empty is given back, so that a change of
// sizes leaves nothing behind. Fatal: a place that the pool has not given out, more than 64 GiB, and a machine that has
// no address space left.

import EventLoop
import Messages

/// A pool of byte strings.
struct BytePool: ~Copyable {
    /// A segment: blocks of one size, those freed linked through their first two bytes.
    private struct Segment {
        /// Size class, `BytePool.whole` for a string that has a segment of its own.
        var sizeClass: UInt8
        /// Blocks in use.
        var live: UInt16 = 0
        /// The granule of the first freed block, `BytePool.end` where there is none.
        var freed: UInt16 = BytePool.end
        /// The first granule that no block has used yet.
        var fresh: UInt16 = 0
        /// Neighbours among the segments of the class that have room; `next` also links unused segments.
        var next: UInt32 = none
        var previous: UInt32 = none
    }

    private static let granule = 16
    private static let segmentBytes = 65536
    private static let granules = segmentBytes / granule
    private static let end = UInt16.max
    private static let whole = UInt8.max
    /// Eight classes up to 128 bytes, then four for each doubling up to 16 KiB.
    private static let classes = 8 + 7 * 4

    private var segments: [Segment] = []
    private var contents: [Region?] = []
    /// For each class the first segment that has room.
    private var roomy = [UInt32](repeating: none, count: BytePool.classes)
    private var unused = none

    /// The class of strings of `count` bytes, and how many granules its blocks have.
    private static func sizeClass(_ count: Int) -> (index: Int, granules: Int) {
        let wanted = max(1, (count + granule - 1) / granule)
        if wanted <= 8 { return (wanted - 1, wanted) }
        let shift = (wanted - 1).bitWidth - (wanted - 1).leadingZeroBitCount - 3
        let steps = ((wanted - 1) >> shift) + 1
        return (8 + (shift - 1) * 4 + steps - 5, steps << shift)
    }

    deinit {
        for region in contents { region?.release() }
    }

    /// Room for `count` bytes, whose contents are undefined.
    mutating func allocate(_ count: Int) -> UInt32 {
        let (index, size) = Self.sizeClass(count)
        guard index < Self.classes else {
            let segment = open(Segment(sizeClass: Self.whole, live: 1), bytes: count)
            return segment << 12
        }
        if roomy[index] == none {
            link(open(Segment(sizeClass: UInt8(index)), bytes: Self.segmentBytes), into: index)
        }
        let number = roomy[index]
        let at = Int(number)
        var place = segments[at].freed
        if place != Self.end {
            segments[at].freed = span(number << 12 | UInt32(place), 2).load16(at: 0)
        } else {
            place = segments[at].fresh
            segments[at].fresh += UInt16(size)
        }
        segments[at].live += 1
        if isFull(at, size) { unlink(number, from: index) }
        return number << 12 | UInt32(place)
    }

    /// Gives back what `allocate(_:)` gave for `count` bytes.
    mutating func free(_ place: UInt32, _ count: Int) {
        let number = place >> 12
        let at = Int(number)
        let sizeClass = segments[at].sizeClass
        guard sizeClass != Self.whole else { return close(number) }
        let size = Self.sizeClass(count).granules
        let wasFull = isFull(at, size)
        let granule = UInt16(place & 0xFFF)
        var block = self.room(place, 2)
        block.store(segments[at].freed, at: 0)
        segments[at].freed = granule
        segments[at].live -= 1
        if wasFull { link(number, into: Int(sizeClass)) }
        if segments[at].live == 0 {
            unlink(number, from: Int(sizeClass))
            close(number)
        }
    }

    /// Whether strings of these two lengths fit the same block, so that one may overwrite the other.
    func interchangeable(_ count: Int, _ other: Int) -> Bool {
        let (index, size) = Self.sizeClass(count)
        return index < Self.classes ? size == Self.sizeClass(other).granules : count == other
    }

    /// Writes `bytes` from `offset` on within the string at `place`.
    mutating func write(_ bytes: Span<UInt8>, to place: UInt32, at offset: Int = 0) {
        guard bytes.count > 0 else { return }
        var block = room(place, offset + bytes.count)
        block.copy(bytes.raw, at: offset)
    }

    /// Lends the `range` of the string at `place`.
    func read<Result>(_ place: UInt32, _ range: Range<Int>, _ body: (Span<UInt8>) -> Result) -> Result {
        body(span(place, range.upperBound).octets.extracting(range))
    }

    /// Whether the string at `place` begins with `bytes`.
    func holds(_ place: UInt32, _ bytes: Span<UInt8>) -> Bool {
        let kept = span(place, bytes.count).octets
        for index in bytes.indices where kept[index] != bytes[index] { return false }
        return true
    }

    /// The first `count` bytes at `place`, to be used before they are freed.
    @inline(__always)
    @_lifetime(immortal)
    func span(_ place: UInt32, _ count: Int) -> RawSpan {
        contents[Int(place >> 12)]!.span(Int(place & 0xFFF) &* Self.granule, count)
    }

    /// The same, to be written.
    @inline(__always)
    @_lifetime(immortal)
    func room(_ place: UInt32, _ count: Int) -> MutableRawSpan {
        contents[Int(place >> 12)]!.mutableSpan(Int(place & 0xFFF) &* Self.granule, count)
    }

    private func isFull(_ at: Int, _ size: Int) -> Bool {
        segments[at].freed == Self.end && Int(segments[at].fresh) + size > Self.granules
    }

    /// Bytes of memory that the pool takes.
    var memory: Int {
        contents.reduce(segments.capacity * MemoryLayout<Segment>.stride) { $0 + ($1?.byteCount ?? 0) }
    }

    private mutating func open(_ segment: Segment, bytes: Int) -> UInt32 {
        let room: Region
        do throws(SystemError) {
            room = try Region(byteCount: bytes)
        } catch {
            fatalError("no room for a segment of messages: \(error)")
        }
        guard unused != none else {
            precondition(segments.count < (1 << 20) - 1, "A pool of topics or retained messages has reached 64 GiB.")
            segments.append(segment)
            contents.append(room)
            return UInt32(segments.count - 1)
        }
        let number = unused
        unused = segments[Int(number)].next
        segments[Int(number)] = segment
        contents[Int(number)] = room
        return number
    }

    private mutating func close(_ number: UInt32) {
        contents[Int(number)]?.release()
        contents[Int(number)] = nil
        segments[Int(number)].next = unused
        unused = number
    }

    private mutating func link(_ number: UInt32, into index: Int) {
        let head = roomy[index]
        segments[Int(number)].next = head
        segments[Int(number)].previous = none
        if head != none { segments[Int(head)].previous = number }
        roomy[index] = number
    }

    private mutating func unlink(_ number: UInt32, from index: Int) {
        let (next, previous) = (segments[Int(number)].next, segments[Int(number)].previous)
        if next != none { segments[Int(next)].previous = previous }
        if previous != none { segments[Int(previous)].next = next } else { roomy[index] = next }
    }
}
