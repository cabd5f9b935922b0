// The packet identifiers that are in use in one direction of one session, and what each waits for. A value without I/O;
// no storage until the first message above QoS 0.

/// A small hash table of packet identifiers, open-addressed and at most half full.
struct PacketWindow: Equatable {
    /// What the exchange of a packet identifier waits for.
    enum Stage: UInt8 {
        /// A QoS 1 PUBLISH for its PUBACK.
        case acknowledgement = 1
        /// A QoS 2 PUBLISH for its PUBREC.
        case receipt = 2
        /// A PUBREL for its PUBCOMP.
        case completion = 3
        /// A received QoS 2 PUBLISH for its PUBREL.
        case release = 4
        /// A message of a former router's, for what of the first three is not known.
        case unknown = 5
    }

    /// An identifier in use.
    struct Exchange: Equatable {
        fileprivate let word: UInt64

        @inline(__always)
        fileprivate init(word: UInt64) { self.word = word }

        /// - Parameter entry: The queue entry of the message; `noEntry` where nothing of it is kept.
        @inline(__always)
        init(_ identifier: UInt16, _ stage: Stage, entry: UInt32 = noEntry) {
            word = UInt64(identifier) | UInt64(stage.rawValue) << 16 | UInt64(entry) << 32
        }

        var identifier: UInt16 { UInt16(truncatingIfNeeded: word) }
        var stage: Stage? {
            @inline(__always) get { Stage(rawValue: UInt8(truncatingIfNeeded: word >> 16)) }
        }
        var entry: UInt32 { UInt32(truncatingIfNeeded: word >> 32) }
    }

    /// 0: empty.
    private var table: [UInt64] = []
    private var used: UInt32 = 0
    /// How many of them are not where they belong. Identifiers rise, so as a rule none is, and one that goes leaves
    /// nothing to be moved up.
    private var displaced: UInt16 = 0
    private var last: UInt16 = 0

    /// The identifier that was assigned last.
    var lastAssigned: UInt16 { last }

    /// Goes on behind an identifier that a former router has assigned; 0: it has assigned none.
    mutating func resume(after identifier: UInt16) { last = identifier }
    /// Identifiers in use.
    var count: Int { Int(used) }

    /// Messages that a session that the store keeps may have under way: as many as there are identifiers of one origin, which may be that of
    /// all of them.
    static let mostDurable: UInt16 = 4095

    /// Takes an identifier that is not in use, in rising order, and notes what it waits for.
    mutating func assign(_ stage: Stage, entry: UInt32 = noEntry) -> UInt16 {
        repeat { last = last == .max ? 1 : last &+ 1 } while contains(last)
        insert(Exchange(last, stage, entry: entry))
        return last
    }

    /// The same for a session that the store keeps. The lowest four bits of an identifier say from which listener the
    /// message came: should this router die, the next one finds by that, and by their order, which messages were
    /// delivered. With more than `mostDurable` in use there may be none left of the origin; then it is any other.
    mutating func assign(_ stage: Stage, entry: UInt32, origin: UInt8) -> UInt16 {
        var tries = 0
        repeat {
            if tries > Self.mostDurable { return assign(stage, entry: entry) }
            tries &+= 1
            let next = last & 0xFFF0 | UInt16(origin)
            if next > last {
                last = next
            } else if next < 0xFFF0 {
                last = next + 16
            } else {
                last = origin == 0 ? 16 : UInt16(origin)
            }
        } while contains(last)
        insert(Exchange(last, stage, entry: entry))
        return last
    }

    func contains(_ identifier: UInt16) -> Bool { self[identifier] != nil }

    /// What is known of an identifier; nil where it is not in use.
    @inline(__always)
    subscript(identifier: UInt16) -> Exchange? {
        guard used > 0, let position = find(identifier) else { return nil }
        return Exchange(word: table[position])
    }

    /// Notes an identifier, or changes what it waits for.
    mutating func insert(_ exchange: Exchange) {
        if let position = used > 0 ? find(exchange.identifier) : nil {
            table[position] = exchange.word
            return
        }
        if (Int(used) &+ 1) &* 2 > table.count { grow() }
        let home = home(exchange.identifier)
        var position = home
        while table[position] != 0 { position = (position &+ 1) & (table.count &- 1) }
        table[position] = exchange.word
        used &+= 1
        if position != home { displaced &+= 1 }
    }

    /// Frees an identifier.
    /// - Returns: whether it was in use.
    @discardableResult
    mutating func remove(_ identifier: UInt16) -> Bool {
        guard used > 0, var hole = find(identifier) else { return false }
        used &-= 1
        if displaced == 0 {
            table[hole] = 0
            return true
        }
        if hole != home(identifier) { displaced &-= 1 }
        // What follows without a gap moves up where it is nearer to its home, so that no search ends early.
        let mask = table.count &- 1
        var position = hole
        while true {
            position = (position &+ 1) & mask
            let entry = table[position]
            if entry == 0 { break }
            let home = home(UInt16(truncatingIfNeeded: entry))
            if (position &- home) & mask >= (position &- hole) & mask {
                table[hole] = entry
                if hole == home { displaced &-= 1 }
                hole = position
            }
        }
        table[hole] = 0
        return true
    }

    /// Forgets all, but not which identifier was the last to be assigned.
    mutating func removeAll() {
        table = []
        used = 0
        displaced = 0
    }

    @inline(__always)
    private func home(_ identifier: UInt16) -> Int { Int(identifier) & (table.count &- 1) }

    @inline(__always)
    private func find(_ identifier: UInt16) -> Int? {
        var position = home(identifier)
        while true {
            let entry = table[position]
            if entry == 0 { return nil }
            if UInt16(truncatingIfNeeded: entry) == identifier { return position }
            position = (position &+ 1) & (table.count &- 1)
        }
    }

    @inline(never)
    private mutating func grow() {
        let old = table
        table = [UInt64](repeating: 0, count: max(16, old.count * 2))
        displaced = 0
        for entry in old where entry != 0 {
            let home = home(UInt16(truncatingIfNeeded: entry))
            var position = home
            while table[position] != 0 { position = (position + 1) & (table.count - 1) }
            table[position] = entry
            if position != home { displaced &+= 1 }
        }
    }
}
