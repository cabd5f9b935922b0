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
    }

    /// Identifiers in use.
    var count: Int { Int(used) }

    private var used: UInt32 = 0
    /// Identifier in the low half, stage above; 0: empty.
    private var table: [UInt32] = []
    private var last: UInt16 = 0

    /// Takes an identifier that is not in use, in rising order, and notes what it waits for.
    mutating func assign(_ stage: Stage) -> UInt16 {
        repeat { last = last == .max ? 1 : last &+ 1 } while contains(last)
        insert(last, stage)
        return last
    }

    func contains(_ identifier: UInt16) -> Bool { stage(identifier) != nil }

    @inline(__always)
    func stage(_ identifier: UInt16) -> Stage? {
        guard count > 0, let position = find(identifier) else { return nil }
        return Stage(rawValue: UInt8(truncatingIfNeeded: table[position] >> 16))
    }

    /// Notes an identifier, or changes what it waits for.
    mutating func insert(_ identifier: UInt16, _ stage: Stage) {
        if let position = count > 0 ? find(identifier) : nil {
            table[position] = UInt32(identifier) | UInt32(stage.rawValue) << 16
            return
        }
        if (count &+ 1) &* 2 > table.count { grow() }
        var position = home(identifier)
        while table[position] != 0 { position = (position &+ 1) & (table.count &- 1) }
        table[position] = UInt32(identifier) | UInt32(stage.rawValue) << 16
        used &+= 1
    }

    /// Frees an identifier.
    /// - Returns: whether it was in use.
    @discardableResult
    mutating func remove(_ identifier: UInt16) -> Bool {
        guard count > 0, var hole = find(identifier) else { return false }
        // What follows without a gap moves up where it is nearer to its home, so that no search ends early.
        let mask = table.count &- 1
        var position = hole
        while true {
            position = (position &+ 1) & mask
            let entry = table[position]
            if entry == 0 { break }
            let distance = (position &- home(UInt16(truncatingIfNeeded: entry))) & mask
            if distance >= (position &- hole) & mask {
                table[hole] = entry
                hole = position
            }
        }
        table[hole] = 0
        used &-= 1
        return true
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
        table = [UInt32](repeating: 0, count: max(16, old.count * 2))
        for entry in old where entry != 0 {
            var position = home(UInt16(truncatingIfNeeded: entry))
            while table[position] != 0 { position = (position + 1) & (table.count - 1) }
            table[position] = entry
        }
    }
}
