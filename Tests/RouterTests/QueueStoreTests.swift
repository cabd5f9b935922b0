// The queues of sessions against arrays of arrays.

import Messages
import Testing

@testable import Router

@Suite struct QueueStoreTests {
    @Test func randomHistoriesAgreeWithArrays() {
        let seed: UInt64 = 21
        var random = SeededGenerator(seed: seed)
        var store = QueueStore()
        var queues = [MessageQueue](repeating: MessageQueue(), count: 8)
        var model = [[(entry: UInt32, bytes: [UInt8], own: [UInt8])]](repeating: [], count: queues.count)
        /// How many entries name a message's bytes, which are different for every message.
        var references: [[UInt8]: Int] = [:]
        for round in 0..<1500 {
            if random.below(2) == 0 {
                let bytes = Array("\(round)/".utf8) + random.octets(upTo: 40)
                let message = store.messages.keep(
                    bytes.span.raw, topicLength: 1, propertiesLength: 2, expiresAt: UInt32(round))
                for queue in queues.indices where random.below(4) == 0 {
                    let own = random.below(3) == 0 ? random.octets(upTo: 5) : []
                    let entry = store.append(
                        QueueEntry(message: message, session: UInt32(queue), qos: 1), identifiers: own,
                        to: &queues[queue])
                    model[queue].append((entry, bytes, own))
                    references[bytes, default: 0] += 1
                }
                // Of no effect where a queue has it.
                store.messages.release(message)
            } else {
                let queue = random.below(queues.count)
                for _ in 0..<random.below(6) where !model[queue].isEmpty {
                    // Mostly from the front, as acknowledgements come.
                    let index = random.below(3) == 0 ? random.below(model[queue].count) : 0
                    let expected = model[queue].remove(at: index)
                    let message = store[expected.entry].message
                    let seen4 = store.messages.bytes(of: message).array
                    #expect(seen4 == expected.bytes, "seed \(seed)")
                    let seen5 = store.identifiers(of: expected.entry)
                    #expect(seen5 == expected.own, "seed \(seed)")
                    references[expected.bytes]! -= 1
                    if references[expected.bytes] == 0 { references[expected.bytes] = nil }
                    store.remove(expected.entry, from: &queues[queue])
                }
            }
            for queue in queues.indices {
                var order: [UInt32] = []
                var entry = queues[queue].first
                while entry != noEntry {
                    order.append(entry)
                    entry = store[entry].next
                }
                #expect(order == model[queue].map(\.entry), "seed \(seed)")
                #expect(queues[queue].last == model[queue].last?.entry ?? noEntry, "seed \(seed)")
            }
            let seen6 = store.count
            #expect(seen6 == model.reduce(0) { $0 + $1.count }, "seed \(seed)")
            let seen7 = store.messages.count
            #expect(seen7 == references.count, "seed \(seed)")
            let seen8 = store.messages.bytes
            #expect(seen8 == references.keys.reduce(0) { $0 + $1.count }, "seed \(seed)")
        }
    }

    @Test func anEntryThatIsGoneIsNotTakenForItsSuccessor() {
        var store = QueueStore()
        var queue = MessageQueue()
        let bytes: [UInt8] = [1]
        let message = store.messages.keep(bytes.span.raw, topicLength: 1, propertiesLength: 0, expiresAt: 0)
        let first = store.append(QueueEntry(message: message, session: 3, qos: 1, sequence: 7), to: &queue)
        let isCurrent1 = store.isCurrent(first, 3, 7)
        #expect(isCurrent1)
        store.remove(first, from: &queue)
        let isCurrent2 = store.isCurrent(first, 3, 7)
        #expect(!isCurrent2)
        let other = store.messages.keep(bytes.span.raw, topicLength: 1, propertiesLength: 0, expiresAt: 0)
        let second = store.append(QueueEntry(message: other, session: 4, qos: 1, sequence: 7), to: &queue)
        #expect(second == first)
        let isCurrent3 = store.isCurrent(second, 3, 7)
        #expect(!isCurrent3)
    }
}
