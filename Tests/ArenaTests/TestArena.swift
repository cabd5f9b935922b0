// An arena of the tests' own, and access to what spans hold.

import CArena
import Glibc
import Messages

@testable import Arena

/// A small arena, freshly made as the supervisor does it. Every slot counts as used.
func makeArena(slots: UInt32 = 8, buffers: UInt64 = 64 << 10, largestPacket: UInt32 = 4096) throws -> Arena {
    let made = try ArenaLayout(slots: slots, buffers: buffers, largestPacket: largestPacket).create(name: "test")
    defer { close(made.descriptor) }
    var arena = try Arena(descriptor: made.descriptor, byteCount: made.byteCount)
    arena.noteUse(of: Int(slots) - 1)
    return arena
}

extension Arena {
    /// Fills the whole of a buffer with a byte.
    mutating func paint(_ buffer: Buffer, _ byte: UInt8) {
        var span = mutableBufferSpan(buffer.offset, buffer.capacity)
        span.copy([UInt8](repeating: byte, count: buffer.capacity).span.raw, at: 0)
    }

    func isPainted(_ buffer: Buffer, _ byte: UInt8) -> Bool {
        bufferSpan(buffer.offset, buffer.capacity).array == [UInt8](repeating: byte, count: buffer.capacity)
    }

    mutating func append(_ bytes: [UInt8], _ slot: Int) -> Bool {
        guard var span = appendOutput(slot, bytes.count) else { return false }
        span.copy(bytes.span.raw, at: 0)
        return true
    }

    func outputBytes(_ slot: Int) -> [UInt8] { output(slot).array }

    func inputBytes(_ slot: Int) -> [UInt8] {
        input(slot, 0, Int(self[slot].input_length + self[slot].raw_length)).array
    }

    mutating func keep(_ slot: Int, _ plain: [UInt8], _ raw: [UInt8] = [], capacity: Int = 0) -> Bool {
        keepInput(slot, plain: plain.span.raw, raw: raw.span.raw, capacity: capacity)
    }

    mutating func set(_ alias: UInt16, _ topic: [UInt8], maximum: UInt16, _ slot: Int) -> Bool {
        setTopic(topic.span.raw, ofAlias: alias, maximum: maximum, slot: slot)
    }

    func topicBytes(_ alias: UInt16, _ slot: Int) -> [UInt8]? { topic(ofAlias: alias, slot: slot)?.array }

    func alias(_ topic: [UInt8], _ slot: Int) -> UInt16 { givenAlias(topic.span.raw, slot: slot) }

    mutating func give(_ topic: [UInt8], _ slot: Int) -> UInt16? {
        guard let next = nextAlias(topic.span.raw, slot: slot),
            giveAlias(topic.span.raw, at: next.position, slot: slot)
        else { return nil }
        return next.alias
    }

    func unsent() -> [UInt8] { unsentFrames().array }
}
