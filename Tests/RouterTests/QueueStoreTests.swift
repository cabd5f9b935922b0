// The queues of sessions against arrays of arrays.

import Testing

@testable import Router

@Suite struct QueueStoreTests {
    @Test func randomHistoriesAgreeWithArrays() {
        let seed: UInt64 = 21
        var random = SeededGenerator(seed: seed)
        var store = QueueStore()
        var queues = [MessageQueue](repeating: MessageQueue(), count: 8)
        var model = [[(bytes: [UInt8], qos: UInt8)]](repeating: [], count: queues.count)
        /// How many entries name a message's bytes, which are different for every message.
        var references: [[UInt8]: Int] = [:]
        for round in 0..<1500 {
            if random.below(2) == 0 {
                let bytes = Array("\(round)/".utf8) + random.octets(upTo: 20)
                let message = store.store(bytes, topicLength: 1, propertiesLength: 2)
                for queue in queues.indices where random.below(4) == 0 {
                    let qos = UInt8(random.below(3))
                    store.append(QueueEntry(message: message, qos: qos, retain: qos == 1), to: &queues[queue])
                    model[queue].append((bytes, qos))
                    references[bytes, default: 0] += 1
                }
                // Of no effect where a queue has it.
                store.release(message)
            } else {
                let queue = random.below(queues.count)
                for _ in 0..<random.below(6) {
                    let entry = store.first(of: queues[queue])
                    #expect((entry == nil) == model[queue].isEmpty, "seed \(seed)")
                    store.removeFirst(from: &queues[queue])
                    guard let entry, let expected = model[queue].first else { continue }
                    #expect(entry.qos == expected.qos && entry.retain == (expected.qos == 1), "seed \(seed)")
                    model[queue].removeFirst()
                    references[expected.bytes]! -= 1
                    if references[expected.bytes] == 0 { references[expected.bytes] = nil }
                }
            }
            for queue in queues.indices {
                #expect(queues[queue].count == model[queue].count, "seed \(seed)")
                #expect(queues[queue].bytes == model[queue].reduce(0) { $0 + $1.bytes.count }, "seed \(seed)")
                if let entry = store.first(of: queues[queue]) {
                    let message = store.messages[Int(entry.message)]
                    #expect(message.bytes == model[queue][0].bytes, "seed \(seed)")
                    #expect(message.references == references[message.bytes], "seed \(seed)")
                }
            }
            #expect(store.bytes == references.keys.reduce(0) { $0 + $1.count }, "seed \(seed)")
        }
        for queue in queues.indices { while !queues[queue].isEmpty { store.removeFirst(from: &queues[queue]) } }
        #expect(store.bytes == 0)
        #expect(store.messages.allSatisfy { $0.bytes.isEmpty && $0.references == 0 })
    }

    @Test func storageIsUsedAgain() {
        var store = QueueStore()
        var queue = MessageQueue()
        for _ in 0..<100 {
            store.append(QueueEntry(message: store.store([1], topicLength: 1, propertiesLength: 0)), to: &queue)
            store.removeFirst(from: &queue)
        }
        #expect(store.messages.count == 1)
        #expect(store.entries.count == 1)
    }
}
