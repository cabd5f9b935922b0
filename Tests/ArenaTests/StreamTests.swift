// What a slot holds, and the two streams between listener and router, against arrays of bytes.

import CArena
import Messages
import Testing

@testable import Arena

@Suite struct StreamTests {
    @Test func outputIsWhatWasAppendedLessWhatWasSent() throws {
        let seed: UInt64 = 51
        var random = SplitMix64(seed: seed)
        var arena = try makeArena(buffers: 1 << 20)
        var model: [UInt8] = []
        var produced: UInt64 = 0
        for _ in 0..<4000 {
            if random.below(5) < 3 {
                let bytes = random.octets(upTo: random.below(20) == 0 ? 3000 : 60)
                if bytes.isEmpty { continue }
                let fits = arena.append(bytes, 1)
                #expect(fits, "seed \(seed)")
                model += bytes
                produced += UInt64(bytes.count)
            } else if !model.isEmpty {
                let count = 1 + random.below(model.count)
                arena.consumeOutput(1, count)
                model.removeFirst(count)
            }
            arena.commitFrees()
            #expect(arena.outputBytes(1) == model, "seed \(seed)")
            #expect(arena[1].produced == produced)
            #expect(arena[1].sent == produced - UInt64(model.count))
            #expect((arena[1].output == 0) == model.isEmpty)
        }
    }

    @Test func inputIsKeptAndForgotten() throws {
        var arena = try makeArena()
        var kept = arena.keep(2, [1, 2], [3], capacity: 1000)
        #expect(kept)
        #expect(arena.inputBytes(2) == [1, 2, 3])
        #expect(arena[2].input_length == 2 && arena[2].raw_length == 1)
        #expect(arena.inputBuffer(2).capacity == 1024)
        kept = arena.keep(2, [9])
        #expect(kept)
        #expect(arena.inputBytes(2) == [9])
        kept = arena.keep(2, [])
        #expect(kept)
        #expect(arena[2].input == 0 && arena[2].input_length == 0 && arena[2].raw_length == 0)
    }

    @Test func aliasesStandForTheirLastTopic() throws {
        var arena = try makeArena(buffers: 1 << 20)
        let seed: UInt64 = 61
        var random = SplitMix64(seed: seed)
        var model: [UInt16: [UInt8]] = [:]
        for _ in 0..<500 {
            let alias = UInt16(1 + random.below(40))
            let topic = random.octets(upTo: 600)
            let isSet = arena.set(alias, topic, maximum: 40, 0)
            #expect(isSet, "seed \(seed)")
            model[alias] = topic
            arena.commitFrees()
            for alias in UInt16(0)...41 where arena.topicBytes(alias, 0) != model[alias] {
                Issue.record("alias \(alias), seed \(seed)")
            }
        }
        let beyond = arena.set(41, [1], maximum: 40, 0)
        #expect(!beyond)
        arena.freeAliases(slot: 0)
        arena.commitFrees()
        #expect(arena.topicBytes(1, 0) == nil)
    }

    @Test(arguments: [1, 7, 255] as [UInt8])
    func topicsKeepTheAliasThatTheyWereGiven(_ allowed: UInt8) throws {
        var arena = try makeArena(buffers: 1 << 20)
        arena[cold: 3].aliases_allowed = allowed
        let seed: UInt64 = 67
        var random = SplitMix64(seed: seed)
        var model: [[UInt8]: UInt16] = [:]
        for _ in 0..<600 {
            let topic = random.octets(upTo: 90)
            #expect(arena.alias(topic, 3) == model[topic] ?? 0, "seed \(seed)")
            guard model[topic] == nil, let alias = arena.give(topic, 3) else { continue }
            model[topic] = alias
            #expect(alias == UInt16(model.count), "seed \(seed)")
        }
        #expect(model.count <= Int(allowed))
        #expect(model.count > Int(allowed) / 2, "the table has room for topics of the usual length")
        let tooLong = arena.give([UInt8](repeating: 0, count: 65_535), 3)
        #expect(tooLong == nil)
        #expect(arena.buffersInUse().isEmpty, "the slot is free")
        arena[3].state = 1
        #expect(arena.buffersInUse() == [arena.givenAliases(3)])
        for (topic, alias) in model { #expect(arena.alias(topic, 3) == alias, "seed \(seed)") }
        arena.freeGivenAliases(slot: 3)
        arena.commitFrees()
        #expect(arena.alias(model.keys.first!, 3) == 0)
        #expect(arena.buffersInUse().isEmpty)
    }

    @Test func aliasesOfABatchThatIsUndoneAreGivenAnew() throws {
        var arena = try makeArena()
        arena[cold: 0].aliases_allowed = 2
        #expect(arena.give([1], 0) == 1)
        arena.beginBatch()
        arena.touch(0)
        #expect(arena.give([2, 2], 0) == 2)
        // What a successor does with a batch that was not committed.
        arena[0] = unsafe arena.preimages[0].hot
        #expect(arena.alias([2, 2], 0) == 0)
        #expect(arena.alias([1], 0) == 1)
        #expect(arena.give([3, 3, 3], 0) == 2)
        #expect(arena.alias([3, 3, 3], 0) == 2)
    }

    @Test func withoutMemoryATopicGoesWithoutAnAlias() throws {
        var arena = try makeArena(buffers: 512)
        arena[1].state = 1
        let isTaken = arena.append([1], 1)
        #expect(isTaken, "the one buffer that there is")
        arena[cold: 0].aliases_allowed = 2
        #expect(arena.give([1], 0) == nil)
        #expect(arena.alias([1], 0) == 0)
    }

    @Test(arguments: [0, 1, 24, 25, 300, 65_535])
    func clientIdentifiersOfAnyLengthAreKept(_ length: Int) throws {
        var arena = try makeArena(buffers: 1 << 20)
        let identifier = (0..<length).map { UInt8(truncatingIfNeeded: $0) }
        arena.setClientIdentifier(identifier, slot: 5)
        #expect(arena.clientIdentifier(5) == identifier)
        #expect((arena[cold: 5].client_id_overflow != 0) == (length > 24))
        arena.clearClientIdentifier(5)
        #expect(arena.clientIdentifier(5) == [])
    }

    @Test func theQueueToTheRouterLosesNoByte() throws {
        let seed: UInt64 = 71
        var random = SplitMix64(seed: seed)
        var arena = try makeArena()
        /// Everything that was ever committed, sent, acknowledged, by total offset.
        var stream: [UInt8] = []
        var (sent, acknowledged) = (0, 0)
        for round in 0..<3000 {
            arena.beginStep(0)
            let committed = stream.count
            for _ in 0..<random.below(4) {
                let frame = [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: 1 + random.below(24_000))
                guard arena.appendFrame(frame) else { continue }
                stream += frame
            }
            let before = arena.unsentFrames().byteCount
            #expect(before == committed - sent)
            arena.endStep()
            if arena.unsentFrames().byteCount != stream.count - sent { Issue.record("bytes are missing, seed \(seed)") }
            if arena.unsent() != Array(stream[sent...]) { Issue.record("bytes have changed, seed \(seed)") }
            let count = random.below(stream.count - sent + 1)
            arena.framesSent(count)
            sent += count
            if random.below(3) == 0 {
                acknowledged += random.below(sent - acknowledged + 1)
                arena.beginBatch()
                let isPossible = arena.framesAcknowledged(
                    answered: UInt64(acknowledged), released: UInt64(acknowledged))
                arena.endBatch(0)
                #expect(isPossible, "seed \(seed)")
            }
            #expect(arena.queueEnd == UInt64(stream.count))
            #expect(arena.queueOutstanding == UInt64(stream.count - acknowledged))
        }
        // It has been at the region's end several times.
        #expect(stream.count > 2 * Int(arena.head.queue_bytes))
        let refused = [
            arena.framesAcknowledged(answered: UInt64(sent + 1), released: 0),
            arena.framesAcknowledged(answered: UInt64(acknowledged) &- 1, released: 0),
        ]
        #expect(refused == [false, false])
    }

    @Test func aFullQueueIsNil() throws {
        var arena = try makeArena()
        let frame = [UInt8](repeating: 1, count: 64 << 10)
        var count = 0
        while arena.appendFrame(frame) { count += 1 }
        #expect(count == Int(arena.head.queue_bytes) / frame.count)
        arena.commitQueue()
        arena.framesSent(count * frame.count)
        arena.beginBatch()
        let isPossible = arena.framesAcknowledged(
            answered: UInt64(count * frame.count), released: UInt64(count * frame.count))
        arena.endBatch(0)
        let fits = arena.appendFrame(frame)
        #expect(isPossible && fits)
    }

    @Test func batchesArriveInPartsAndMove() throws {
        let seed: UInt64 = 81
        var random = SplitMix64(seed: seed)
        var arena = try makeArena()
        var waiting: [UInt8] = []
        var applied = 0
        for round in 0..<400 {
            let room = arena.batchRoom()
            #expect(room >= arena.largestBatch, "seed \(seed)")
            let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: min(room, random.below(200_000)))
            arrive(&arena, bytes)
            waiting += bytes
            if arena.unappliedBatch().array != waiting { Issue.record("bytes have changed, seed \(seed)") }
            let count = waiting.count - random.below(min(waiting.count, 1000) + 1)
            arena.beginBatch()
            arena.endBatch(count)
            waiting.removeFirst(count)
            applied += count
            arena.compactBatches()
            #expect(arena.batchApplied == UInt64(applied))
        }
        #expect(applied > 2 * Int(arena.head.batch_bytes))
    }

    private func arrive(_ arena: inout Arena, _ bytes: [UInt8]) {
        var span = arena.mutableBatchRoom(bytes.count)
        span.copy(bytes.span.raw, at: 0)
        arena.batchArrived(bytes.count)
    }
}
