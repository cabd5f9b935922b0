// Buffers against a model: what is given out never overlaps, and all memory comes back.

import CArena
import Testing

@testable import Arena

@Suite struct BufferPoolTests {
    @Test func classesAreTheSmallestThatHold() {
        for (bytes, sizeClass) in [(0, 0), (1, 0), (256, 0), (257, 1), (512, 1), (513, 2), (1024, 2), (1025, 3)] {
            #expect(Buffer.sizeClass(for: bytes) == UInt8(sizeClass))
        }
        for sizeClass in UInt8(0)..<22 {
            let buffer = Buffer(unit: 1, sizeClass: sizeClass)
            #expect(Buffer.sizeClass(for: buffer.capacity) == sizeClass)
            #expect(Buffer.sizeClass(for: buffer.capacity + 1) == sizeClass + 1)
        }
    }

    /// Each buffer is owned by a slot's input, as a scan must find it, and painted with a colour of its own.
    @Test func randomHistoriesNeverShareMemory() throws {
        let seed: UInt64 = 41
        var random = SplitMix64(seed: seed)
        var arena = try makeArena(slots: 64, buffers: 64 << 10)
        var colours = [UInt8?](repeating: nil, count: arena.slotCount)
        var refusals = 0
        for round in 0..<3000 {
            let slot = random.below(arena.slotCount)
            if let colour = colours[slot] {
                let buffer = arena.inputBuffer(slot)
                let isWhole = arena.isPainted(buffer, colour)
                #expect(isWhole, "seed \(seed)")
                if random.below(2) == 0 {
                    arena.clearInput(slot)
                    // Until the commit its bytes stay.
                    let still = arena.isPainted(buffer, colour)
                    #expect(still, "seed \(seed)")
                    arena.commitFrees()
                } else {
                    arena[slot].input = 0
                    arena.free(buffer)
                }
                colours[slot] = nil
                arena[slot].state = 0
            } else if let buffer = arena.allocate(1 << random.below(14)) {
                arena.paint(buffer, UInt8(truncatingIfNeeded: round))
                arena[slot].state = 4
                arena[slot].input = buffer.unit
                arena[slot].input_class = buffer.sizeClass
                colours[slot] = UInt8(truncatingIfNeeded: round)
            } else {
                refusals += 1
            }
            if round % 500 == 499 { arena.rebuildPool() }
            let used = arena.buffersInUse()
            for (former, buffer) in zip(used, used.dropFirst()) where former.offset + former.capacity > buffer.offset {
                Issue.record("\(former) overlaps \(buffer), seed \(seed)")
            }
            if let last = used.last, last.offset + last.capacity > arena.bufferBytes {
                Issue.record("\(last) lies outside, seed \(seed)")
            }
        }
        #expect(refusals > 0)
        for (slot, colour) in colours.enumerated() {
            guard let colour else { continue }
            let isWhole = arena.isPainted(arena.inputBuffer(slot), colour)
            #expect(isWhole, "seed \(seed)")
        }
    }

    @Test func exhaustionIsNilAndPasses() throws {
        var arena = try makeArena(slots: 300, buffers: 64 << 10)
        var taken: [Buffer] = []
        // Each belongs to a slot, or the scan would take it for free.
        while taken.count < 300, let buffer = arena.allocate(256) {
            arena[taken.count].state = 4
            arena[taken.count].input = buffer.unit
            taken.append(buffer)
        }
        // Unit 0 is never given out.
        #expect(taken.count == 255)
        #expect(Set(taken.map(\.unit)).count == 255)
        for (slot, buffer) in taken.enumerated() {
            arena[slot].state = 0
            arena.free(buffer)
        }
        // The small pieces are joined again.
        let large = arena.allocate(32 << 10)
        #expect(large != nil)
        let larger = arena.allocate(64 << 10)
        #expect(larger == nil)
    }

    @Test func whatIsDeferredIsUsedOnlyBehindTheCommit() throws {
        var arena = try makeArena(buffers: 64 << 10)
        let first = arena.allocate(32 << 10)
        let buffer = try #require(first)
        arena.freeAtCommit(buffer)
        let before = arena.allocate(32 << 10)
        #expect(before == nil)
        arena.commitFrees()
        let after = arena.allocate(32 << 10)
        #expect(after == buffer)
    }

    @Test func aScanFindsEverythingThatSlotsOwn() throws {
        var arena = try makeArena(buffers: 256 << 10)
        let identifier = [UInt8](repeating: 0x61, count: 500)
        arena[3].state = 4
        arena.setClientIdentifier(identifier, slot: 3)
        let kept = [
            arena.keep(3, [1, 2, 3]), arena.append([4, 5], 3), arena.set(1, Array("a/b".utf8), maximum: 4, 3),
            arena.set(2, Array("c".utf8), maximum: 4, 3),
        ]
        #expect(kept == [true, true, true, true])
        arena.commitFrees()
        arena.rebuildPool()
        #expect(arena.buffersInUse().count == 6)
        // All that is left can be had, in the smallest pieces, and none of them is in use.
        let used = arena.buffersInUse().reduce(0) { $0 + $1.capacity / 256 }
        for _ in 0..<(1023 - used) {
            let piece = arena.allocate(256)
            arena.paint(try #require(piece), 0xEE)
        }
        #expect(arena.clientIdentifier(3) == identifier)
        #expect(arena.inputBytes(3) == [1, 2, 3])
        #expect(arena.outputBytes(3) == [4, 5])
        #expect(arena.topicBytes(1, 3) == Array("a/b".utf8))
        #expect(arena.topicBytes(2, 3) == Array("c".utf8))
    }
}
