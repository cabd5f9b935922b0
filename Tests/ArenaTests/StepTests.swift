// The layout of an arena, and what is saved before a slot changes.

import CArena
import Glibc
import Messages
import Testing

@testable import Arena

@Suite struct StepTests {
    @Test func aStepSavesTheSlotAsItWas() throws {
        var arena = try makeArena()
        arena[4].generation = 7
        arena[4].received = 1234
        arena.beginStep(4)
        arena[4].received = 9999
        arena[4].state = 3
        #expect(arena.head.step_phase == UInt32(APUS_UNDER_WAY))
        #expect(arena.head.step_slot == 4)
        #expect(arena.head.step_preimage.hot.generation == 7)
        #expect(arena.head.step_preimage.hot.received == 1234)
        #expect(arena.head.step_preimage.hot.state == 0)
        arena.endStep()
        #expect(arena.head.step_phase == UInt32(APUS_IDLE))
        #expect(arena[4].received == 9999)
    }

    @Test func framesOfAStepAreSentBehindItsCommit() throws {
        var arena = try makeArena()
        arena.beginStep(0)
        let fits = arena.appendFrame([1, 2, 3])
        #expect(fits)
        #expect(arena.unsent() == [])
        arena.commitQueue()
        #expect(arena.unsent() == [], "a step is under way")
        arena.endStep()
        #expect(arena.unsent() == [1, 2, 3])
    }

    @Test func aBatchSavesEachSlotOnce() throws {
        var arena = try makeArena()
        arena[2].sent = 10
        arena.beginBatch()
        let epoch = arena.head.batch_epoch
        arena.touch(2)
        arena[2].sent = 20
        arena.touch(2)
        #expect(arena[2].epoch == epoch)
        arena.touch(5)
        #expect(arena.head.batch_touched == 2)
        #expect(unsafe arena.preimages[0].slot == 2)
        #expect(unsafe arena.preimages[0].hot.sent == 10)
        #expect(unsafe arena.preimages[0].hot.epoch != epoch)
        #expect(unsafe arena.preimages[1].slot == 5)
        #expect(arena[3].epoch != epoch)
        arena.endBatch(5)
        #expect(arena.head.batch_phase == UInt32(APUS_IDLE))
        arena.beginBatch()
        arena.touch(2)
        #expect(unsafe arena.preimages[0].hot.sent == 20)
        arena.endBatch(0)
    }

    @Test func regionsLieApartAndWithin() {
        for (slots, buffers, packet) in [(1, 4096, 1), (1000, 1 << 30, 8 << 20), (100_001, 12_345, 268_435_455)] {
            let header = ArenaLayout(slots: UInt32(slots), buffers: UInt64(buffers), largestPacket: UInt32(packet))
                .header
            let regions = [
                (header.slots, UInt64(slots) * 192), (header.preimages, UInt64(slots) * 72),
                (header.undo, header.undo_bytes),
                (header.raw, header.raw_bytes), (header.plain, header.plain_bytes),
                (header.queue, header.queue_bytes), (header.batch, header.batch_bytes),
                (header.buffers, header.buffers_bytes),
            ]
            var end: UInt64 = 4096
            for (start, count) in regions {
                #expect(start >= end && start % 4096 == 0)
                end = start + count
            }
            #expect(header.byte_count >= end)
        }
    }

    @Test func slotsAreApart() throws {
        var arena = try makeArena(slots: 3)
        for slot in 0..<3 {
            arena[slot].generation = UInt32(slot + 1)
            arena[cold: slot].keep_alive = UInt16(slot + 10)
        }
        for slot in 0..<3 {
            #expect(arena[slot].generation == UInt32(slot + 1))
            #expect(arena[cold: slot].keep_alive == UInt16(slot + 10))
        }
    }

    @Test func anotherProcessSeesTheSameMemory() throws {
        let made = try ArenaLayout(slots: 2, buffers: 4096, largestPacket: 100).create(name: "shared")
        defer { close(made.descriptor) }
        var one = try Arena(descriptor: made.descriptor, byteCount: made.byteCount)
        one[1].received = 77
        let fits = one.appendFrame([5])
        #expect(fits)
        one.commitQueue()
        let other = try Arena(descriptor: made.descriptor, byteCount: made.byteCount)
        #expect(other[1].received == 77)
        #expect(other.queueEnd == 1)
        #expect(other.unsent() == [5])
    }

    @Test func whatIsNoArenaOfThisVersionIsRefused() throws {
        let made = try ArenaLayout(slots: 2, buffers: 4096, largestPacket: 100).create(name: "refused")
        defer { close(made.descriptor) }
        #expect(throws: ArenaError.layout("arena of another size than announced")) {
            _ = try Arena(descriptor: made.descriptor, byteCount: made.byteCount - 4096)
        }
        var version: UInt32 = 99
        // The version lies behind the eight bytes of the magic number.
        #expect(unsafe pwrite(made.descriptor, &version, 4, 8) == 4)
        #expect(throws: ArenaError.layout("an arena of \(Layout.refusal(99))")) {
            _ = try Arena(descriptor: made.descriptor, byteCount: made.byteCount)
        }
        var magic: UInt64 = 0
        #expect(unsafe pwrite(made.descriptor, &magic, 8, 0) == 8)
        #expect(throws: ArenaError.layout("not an arena")) {
            _ = try Arena(descriptor: made.descriptor, byteCount: made.byteCount)
        }
        #expect(throws: ArenaError.self) { _ = try Arena(descriptor: -1, byteCount: made.byteCount) }
    }
}
