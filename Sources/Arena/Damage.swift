// Finds slots that can not be: of an arena that something has written over. Called by a successor after a death, before it
// looks for free buffers. Such a connection is given up, the others live.

import CArena
import Messages

extension Arena {
    /// Forgets the buffers of each slot that names what can not be, or what another one names too.
    /// - Returns: these slots, which have to be closed.
    package mutating func removeDamage() -> [Int] {
        var damaged = Set((0..<slotsUsed).filter { self[$0].state != 0 && isDamaged($0) })
        var owned: [(buffer: Buffer, slot: Int)] = []
        for slot in 0..<slotsUsed where self[slot].state != 0 && !damaged.contains(slot) {
            for buffer in buffers(of: slot) { owned.append((buffer, slot)) }
        }
        owned.sort { $0.buffer.unit < $1.buffer.unit }
        for (one, next) in zip(owned, owned.dropFirst()) where one.buffer.end > UInt64(next.buffer.unit) {
            damaged.insert(one.slot)
            damaged.insert(next.slot)
        }
        for slot in damaged { forgetBuffers(slot) }
        return damaged.sorted()
    }

    private func isDamaged(_ slot: Int) -> Bool {
        guard isComplete(slot) else { return true }
        let hot = self[slot]
        let cold = self[cold: slot]
        let plain = [
            (hot.input, hot.input_class), (hot.output, hot.output_class), (cold.aliases, cold.alias_class),
            (cold.given_aliases, cold.given_class), (cold.client_id_overflow, cold.client_id_class),
            (cold.record, cold.record_class),
        ]
        let units = UInt64(bufferBytes) / UInt64(APUS_BUFFER_UNIT)
        guard plain.allSatisfy({ Buffer(unit: $0.0, sizeClass: $0.1).isPlausible(units: units) }) else { return true }
        let input = inputBuffer(slot)
        guard Int(hot.input_length) + Int(hot.raw_length) <= (input.exists ? input.capacity : 0) else { return true }
        let output = Buffer(unit: hot.output, sizeClass: hot.output_class)
        guard hot.produced >= hot.sent, hot.produced == hot.sent || output.exists else { return true }
        if output.exists, outputPosition(slot, hot.sent) + outputCount(slot) > output.capacity { return true }
        let identifier = Buffer(unit: cold.client_id_overflow, sizeClass: cold.client_id_class)
        guard Int(cold.client_id_length) <= (identifier.exists ? identifier.capacity : Self.inlineCapacity) else {
            return true
        }
        let topics = aliasBuffers(Buffer(unit: cold.aliases, sizeClass: cold.alias_class))
        guard topics.allSatisfy({ $0.isPlausible(units: units) }) else { return true }
        guard hasRecord(slot) else { return false }
        return !self[record: slot].queues.allSatisfy { queue in
            let storage = queue.storage
            return storage.isPlausible(units: units) && queue.start <= queue.end
                && Int(queue.end) <= (storage.exists ? storage.capacity : 0)
        }
    }

    private mutating func forgetBuffers(_ slot: Int) {
        self[slot].input = 0
        self[slot].input_length = 0
        self[slot].raw_length = 0
        self[slot].output = 0
        self[slot].produced = self[slot].sent
        self[cold: slot].aliases = 0
        self[cold: slot].given_aliases = 0
        self[slot].aliases_given = 0
        self[cold: slot].client_id_overflow = 0
        self[cold: slot].client_id_length = 0
        self[cold: slot].record = 0
    }
}

extension Buffer {
    /// Whether it can lie in a region of so many units.
    fileprivate func isPlausible(units: UInt64) -> Bool {
        !exists || Int(sizeClass) < BufferPool.classCount && end <= units
    }

    /// The unit behind it.
    var end: UInt64 { UInt64(unit) + (1 << UInt64(min(sizeClass, 32))) }
}
