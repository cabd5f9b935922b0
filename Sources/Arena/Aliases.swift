// The topic aliases that an MQTT 5 client has set: a buffer of eight bytes an alias, each naming a buffer with the topic.
// Those that the broker gives are in Aliases+Given.swift.

import CArena
import Messages

extension Arena {
    /// The topic that `alias` stands for; `nil` when none was set. Valid until the slot's aliases change.
    @_lifetime(immortal)
    package func topic(ofAlias alias: UInt16, slot: Int) -> RawSpan? {
        let table = Buffer(unit: self[cold: slot].aliases, sizeClass: self[cold: slot].alias_class)
        guard table.exists, (Int(alias) + 1) * 8 <= table.capacity else { return nil }
        let entry = bufferSpan(table.offset + Int(alias) * 8, 8).load64(at: 0)
        let buffer = Self.aliasBuffer(entry)
        guard buffer.exists else { return nil }
        return bufferSpan(buffer.offset, Int(entry >> 48))
    }

    /// Lets `alias` stand for `topic` (at most 65,535 bytes). Within a step: the former table stays until its commit.
    /// - Parameter maximum: the highest alias that the connection may use.
    /// - Returns: false when the arena is exhausted.
    package mutating func setTopic(_ topic: RawSpan, ofAlias alias: UInt16, maximum: UInt16, slot: Int) -> Bool {
        let old = Buffer(unit: self[cold: slot].aliases, sizeClass: self[cold: slot].alias_class)
        let bytes = (Int(maximum) + 1) * 8
        guard alias <= maximum, let buffer = allocate(max(topic.byteCount, 1)) else { return false }
        guard let table = allocate(max(bytes, old.exists ? old.capacity : 0)) else {
            free(buffer)
            return false
        }
        var span = mutableBufferSpan(buffer.offset, topic.byteCount)
        span.copy(topic, at: 0)
        var entries = mutableBufferSpan(table.offset, table.capacity)
        for i in 0..<(table.capacity / 8) { entries.store(UInt64(0), at: i * 8) }
        if old.exists {
            entries.copy(bufferSpan(old.offset, old.capacity), at: 0)
            freeAtCommit(Self.aliasBuffer(entries.bytes.load64(at: Int(alias) * 8)))
        }
        entries.store(
            UInt64(buffer.unit) | UInt64(buffer.sizeClass) << 32 | UInt64(topic.byteCount) << 48, at: Int(alias) * 8)
        freeAtCommit(old)
        self[cold: slot].aliases = table.unit
        self[cold: slot].alias_class = table.sizeClass
        return true
    }

    /// Gives the table and its topics back.
    package mutating func freeAliases(slot: Int) {
        let table = Buffer(unit: self[cold: slot].aliases, sizeClass: self[cold: slot].alias_class)
        for buffer in aliasBuffers(table) { freeAtCommit(buffer) }
        freeAtCommit(table)
        self[cold: slot].aliases = 0
    }

    func aliasBuffers(_ table: Buffer) -> [Buffer] {
        guard table.exists else { return [] }
        let entries = bufferSpan(table.offset, table.capacity)
        return (0..<(table.capacity / 8)).map { Self.aliasBuffer(entries.load64(at: $0 * 8)) }.filter(\.exists)
    }

    private static func aliasBuffer(_ entry: UInt64) -> Buffer {
        Buffer(unit: UInt32(truncatingIfNeeded: entry), sizeClass: UInt8(truncatingIfNeeded: entry >> 32))
    }
}
