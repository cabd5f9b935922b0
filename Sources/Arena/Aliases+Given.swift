// The topic aliases that the broker gives on an MQTT 5 connection: to each topic in turn as long as the client takes more
// and the table has room, never to another one later. Called where messages are encoded for a client that takes aliases.
//
// The table is one buffer: for each alias, in order, two bytes of length and the topic. How many aliases were given lies
// in the slot's hot part, so that a batch that is undone takes its aliases back; what stands behind them is overwritten.

import CArena
import Messages

extension Arena {
    /// Bytes of the table for each alias that may be given: topics longer than that leave room for fewer.
    private static var bytesAnAlias: Int { 64 }

    /// The alias that stands for `topic` on this connection; 0: none does.
    package func givenAlias(_ topic: RawSpan, slot: Int) -> UInt16 {
        let table = givenAliases(slot)
        guard table.exists else { return 0 }
        let bytes = bufferSpan(table.offset, table.capacity)
        var position = 0
        for alias in 0..<UInt16(self[slot].aliases_given) {
            let length = Int(bytes.load16(at: position))
            if length == topic.byteCount, bytes.holds(topic, at: position + 2) { return alias + 1 }
            position += 2 + length
        }
        return 0
    }

    /// The alias that `topic` (at most 65,535 bytes) would get, and where in the table it would stand; `nil` where
    /// there is no other one for it.
    package func nextAlias(_ topic: RawSpan, slot: Int) -> (alias: UInt16, position: Int)? {
        let given = self[slot].aliases_given
        guard given < self[cold: slot].aliases_allowed else { return nil }
        let table = givenAliases(slot)
        var position = 0
        if given > 0 {
            let bytes = bufferSpan(table.offset, table.capacity)
            for _ in 0..<given { position += 2 + Int(bytes.load16(at: position)) }
        }
        let capacity = table.exists ? table.capacity : Int(self[cold: slot].aliases_allowed) * Self.bytesAnAlias
        guard position + 2 + topic.byteCount <= capacity else { return nil }
        return (UInt16(given) + 1, position)
    }

    /// Gives `topic` the alias that `nextAlias` found for it.
    /// - Returns: false when the arena is exhausted: the topic goes without.
    package mutating func giveAlias(_ topic: RawSpan, at position: Int, slot: Int) -> Bool {
        if !givenAliases(slot).exists {
            guard let buffer = allocate(Int(self[cold: slot].aliases_allowed) * Self.bytesAnAlias) else { return false }
            self[cold: slot].given_class = buffer.sizeClass
            self[cold: slot].given_aliases = buffer.unit
        }
        let table = givenAliases(slot)
        var span = mutableBufferSpan(table.offset + position, 2 + topic.byteCount)
        span.store(UInt16(topic.byteCount), at: 0)
        span.copy(topic, at: 2)
        self[slot].aliases_given += 1
        return true
    }

    /// Gives the table back.
    package mutating func freeGivenAliases(slot: Int) {
        freeAtCommit(givenAliases(slot))
        self[cold: slot].given_aliases = 0
        self[slot].aliases_given = 0
    }

    func givenAliases(_ slot: Int) -> Buffer {
        Buffer(unit: self[cold: slot].given_aliases, sizeClass: self[cold: slot].given_class)
    }
}

extension RawSpan {
    /// Whether the bytes from `offset` on are those of `other`.
    func holds(_ other: RawSpan, at offset: Int) -> Bool {
        var index = 0
        while index + 8 <= other.byteCount {
            guard load64(at: offset + index) == other.load64(at: index) else { return false }
            index += 8
        }
        while index < other.byteCount {
            guard load8(at: offset + index) == other.load8(at: index) else { return false }
            index += 1
        }
        return true
    }
}
