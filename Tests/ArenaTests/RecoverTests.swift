// What a successor finds after a death in mid-step or mid-batch: each test leaves an arena as a death would, and recovers
// it through a mapping of its own, as another process does.

import CArena
import Glibc
import Messages
import Testing

@testable import Arena

@Suite struct RecoverTests {
    /// An arena that two "processes" map, one after the other.
    private struct Twice: ~Copyable {
        let descriptor: Int32
        let byteCount: UInt64

        init(slots: UInt32 = 8) throws {
            let made = try ArenaLayout(slots: slots, buffers: 64 << 10, largestPacket: 4096).create(name: "twice")
            descriptor = made.descriptor
            byteCount = made.byteCount
        }

        func map() throws -> Arena { try Arena(descriptor: descriptor, byteCount: byteCount) }

        deinit { close(descriptor) }
    }

    /// A connected slot with one output packet and a leftover.
    private func fill(_ arena: inout Arena, _ slot: Int) {
        arena.noteUse(of: slot)
        arena[slot].generation = UInt32(slot + 1)
        arena[slot].state = 4
        _ = arena.append([1, 2, 3], slot)
        _ = arena.keep(slot, [7, 8])
        arena.commitQueue()
    }

    @Test func anInterruptedStepIsUndone() throws {
        let twice = try Twice()
        var arena = try twice.map()
        fill(&arena, 2)
        arena[cold: 2].keep_alive = 30
        arena.beginStep(2)
        arena[2].received = 100
        arena[cold: 2].keep_alive = 60
        _ = arena.append([9], 2)
        _ = arena.appendFrame([5, 5])
        _ = arena.keep(2, [1])

        var successor = try twice.map()
        let (interrupted, damaged) = successor.recover()
        #expect(interrupted?.slot == 2)
        #expect(interrupted?.received == 0)
        #expect(interrupted?.attempts == 1)
        #expect(damaged == [])
        let step = try #require(interrupted)
        let resumed = successor.resumeStep(step, read: 0, framed: false)
        #expect(resumed)
        #expect(successor[2].received == 0)
        #expect(successor[cold: 2].keep_alive == 30)
        #expect(successor.outputBytes(2) == [1, 2, 3])
        #expect(successor.inputBytes(2) == [7, 8])
        #expect(successor.unsent() == [])
        let isQuiet = successor.isQuiet
        #expect(isQuiet)
    }

    @Test func aCommittedStepIsCompleted() throws {
        let twice = try Twice()
        var arena = try twice.map()
        fill(&arena, 1)
        arena.beginStep(1)
        arena[1].received = 4
        _ = arena.appendFrame([6, 6])
        // The death comes right behind the store that commits.
        arena.head.step_next_queue = arena.queueEnd
        arena.head.step_phase = UInt32(APUS_COMMITTED)

        var successor = try twice.map()
        let interrupted = successor.recover().interrupted
        #expect(interrupted == nil)
        #expect(successor[1].received == 4)
        #expect(successor.unsent() == [6, 6])
    }

    @Test func whatTheSocketHadGivenJoinsTheLeftover() throws {
        let twice = try Twice()
        var arena = try twice.map()
        fill(&arena, 3)
        arena.beginStep(3)
        arena.willRead(rawFrom: 2)
        var room = arena.mutableRaw(2, 3)
        let bytes3176: [UInt8] = [40, 41, 42]
        room.copy(bytes3176.span.raw, at: 0)

        var successor = try twice.map()
        let recovered = successor.recover()
        let step = try #require(recovered.interrupted)
        #expect(successor.interruptedInput(3) == [40, 41, 42])
        let resumed = successor.resumeStep(step, read: 3, framed: false)
        #expect(resumed)
        #expect(successor.inputBytes(3) == [7, 8, 40, 41, 42])
        #expect(successor[3].input_length == 5)
        #expect(successor[3].received == 3)
    }

    @Test func aLargePacketUnderWayIsFoundWhereItWasRead() throws {
        let twice = try Twice()
        var arena = try twice.map()
        fill(&arena, 3)
        arena.beginStep(3)
        let grown = arena.replaceInput(3, keeping: arena.input(3, 0, 2), capacity: 1000)
        #expect(grown)
        arena.willRead(inputFrom: 2, slot: 3)
        var room = arena.mutableInput(3, 2, 2)
        let bytes4081: [UInt8] = [50, 51]
        room.copy(bytes4081.span.raw, at: 0)
        // The step went on to keep a rest elsewhere.
        _ = arena.keep(3, [51])

        for _ in 0..<2 {
            // The first successor dies before it has ended the step.
            var successor = try twice.map()
            let recovered = successor.recover()
            let step = try #require(recovered.interrupted)
            let other = successor.allocate(900)
            if let other { successor.paint(other, 0xFF) }
            #expect(successor.interruptedInput(2) == [50, 51])
            if step.attempts == 2 {
                let resumed = successor.resumeStep(step, read: 2, framed: false)
                #expect(resumed)
                #expect(successor.inputBytes(3) == [7, 8, 50, 51])
            }
        }
    }

    @Test func framedLeftoverIsTakenFromWhereItWasCopied() throws {
        let twice = try Twice()
        var arena = try twice.map()
        arena.noteUse(of: 0)
        arena[0].generation = 1
        arena[0].state = 4
        _ = arena.keep(0, [1], [20, 21])
        arena.beginStep(0)
        var front = arena.mutableRaw(0, 2)
        let bytes5210: [UInt8] = [20, 21]
        front.copy(bytes5210.span.raw, at: 0)
        arena.willRead(rawFrom: 2)
        var room = arena.mutableRaw(2, 1)
        let bytes5332: [UInt8] = [22]
        room.copy(bytes5332.span.raw, at: 0)
        // Plain bytes grow over the raw ones in the leftover's own buffer.
        var plain = arena.mutableInput(0, 1, 2)
        let bytes5496: [UInt8] = [99, 99]
        plain.copy(bytes5496.span.raw, at: 0)

        var successor = try twice.map()
        let recovered = successor.recover()
        let step = try #require(recovered.interrupted)
        let resumed = successor.resumeStep(step, read: 1, framed: true)
        #expect(resumed)
        #expect(successor.inputBytes(0) == [1, 20, 21, 22])
        #expect(successor[0].input_length == 1)
        #expect(successor[0].raw_length == 3)
    }

    @Test func theSameInputIsCounted() throws {
        let twice = try Twice()
        var arena = try twice.map()
        fill(&arena, 5)
        for attempt in 1...3 {
            arena.beginStep(5)
            var successor = try twice.map()
            let recovered = successor.recover()
            let step = try #require(recovered.interrupted)
            #expect(step.attempts == attempt)
            let resumed = successor.resumeStep(step, read: 0, framed: false)
            #expect(resumed)
            arena = successor
        }
        arena[5].received += 1
        arena.beginStep(5)
        var successor = try twice.map()
        let recovered1 = successor.recover()
        #expect(recovered1.interrupted?.attempts == 1)
    }

    @Test func anInterruptedBatchIsUndone() throws {
        let twice = try Twice()
        var arena = try twice.map()
        fill(&arena, 1)
        fill(&arena, 4)
        let made = arena.makeRecord(4)
        #expect(made)
        arena.beginBatch()
        for slot in [1, 4, 1] {
            arena.touch(slot)
            arena.touchCold(slot)
            _ = arena.append([9, 9], slot)
            arena[cold: slot].maximum_packet_size = 77
        }
        arena.touchRecord(4)
        var entry = arena.append(8, to: .requests, slot: 4)
        entry?.store(UInt64(3), at: 0)
        arena[record: 4].flags = 1
        _ = arena.appendFrame([1])

        var successor = try twice.map()
        let recovered2 = successor.recover()
        #expect(recovered2.damaged == [])
        for slot in [1, 4] {
            #expect(successor.outputBytes(slot) == [1, 2, 3])
            #expect(successor[cold: slot].maximum_packet_size == 0)
        }
        #expect(successor[record: 4].flags == 0)
        #expect(successor[record: 4].requests.isEmpty)
        #expect(successor.unsent() == [])
        let applied = successor.batchApplied
        #expect(applied == 0)
        let isQuiet = successor.isQuiet
        #expect(isQuiet)
    }

    @Test func aCommittedBatchIsCompleted() throws {
        let twice = try Twice()
        var arena = try twice.map()
        fill(&arena, 1)
        arena.beginBatch()
        arena.touch(1)
        _ = arena.append([9], 1)
        _ = arena.appendFrame([3])
        arena.head.batch_next_applied = 24
        arena.head.batch_next_queue = arena.queueEnd
        arena.head.batch_phase = UInt32(APUS_COMMITTED)

        var successor = try twice.map()
        _ = successor.recover()
        #expect(successor.outputBytes(1) == [1, 2, 3, 9])
        let applied = successor.batchApplied
        #expect(applied == 24)
        #expect(successor.unsent() == [3])
    }

    @Test func buffersThatNobodyOwnsAreFreeAgain() throws {
        let twice = try Twice()
        var arena = try twice.map()
        fill(&arena, 0)
        // A death forgets what was allocated and not yet named by a slot.
        for _ in 0..<20 { _ = arena.allocate(1000) }
        var successor = try twice.map()
        _ = successor.recover()
        let buffer = successor.allocate(8000)
        #expect(buffer != nil)
        if let buffer { successor.paint(buffer, 0xEE) }
        #expect(successor.outputBytes(0) == [1, 2, 3])
        #expect(successor.inputBytes(0) == [7, 8])
    }

    @Test func aDamagedSlotIsGivenUpAndTheOthersLive() throws {
        let damages: [(inout Arena) -> Void] = [
            { $0[1].input = 0x00FF_FFFF },
            { $0[1].output_class = 40 },
            { $0[1].produced = 1 << 40 },
            { $0[1].sent = 1 << 40 },
            { $0[1].input_length = 1 << 20 },
            { $0[cold: 1].client_id_length = 3000 },
            { $0[cold: 1].record = 0x7FFF_FFFF },
        ]
        for damage in damages {
            let twice = try Twice()
            var arena = try twice.map()
            for slot in 0..<3 { fill(&arena, slot) }
            damage(&arena)
            var successor = try twice.map()
            let recovered3 = successor.recover()
            #expect(recovered3.damaged == [1])
            for slot in [0, 2] {
                #expect(successor.outputBytes(slot) == [1, 2, 3])
                #expect(successor.inputBytes(slot) == [7, 8])
            }
            #expect(successor.outputCount(1) == 0)
        }
    }

    @Test func slotsThatNameTheSameBufferAreBothGivenUp() throws {
        let twice = try Twice()
        var arena = try twice.map()
        for slot in 0..<3 { fill(&arena, slot) }
        arena[0].input = arena[2].output
        var successor = try twice.map()
        let recovered4 = successor.recover()
        #expect(recovered4.damaged == [0, 2])
    }

    @Test func totalsThatCanNotBeAreRefused() throws {
        var arena = try makeArena()
        _ = arena.appendFrame([1, 2, 3])
        arena.commitQueue()
        arena.framesSent(1)
        let counts = [0, 4, 3].map { UInt64($0) }
        var answers: [Bool] = []
        for count in counts { answers.append(arena.recoverQueue(taken: count)) }
        #expect(answers == [false, false, true])
        #expect(arena.unsent() == [])
        arena.batchArrived(5)
        answers = []
        for count in [4, 6, 1 << 40] as [UInt64] { answers.append(arena.recoverBatches(received: count)) }
        #expect(answers == [false, true, false])
    }
}
