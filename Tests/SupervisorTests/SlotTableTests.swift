import Testing

@testable import Supervisor

@Suite struct SlotTableTests {
    @Test func slotsAreReusedWithAnotherGeneration() throws {
        var table = SlotTable(capacity: 2)
        let first = try opened(&table, 10)
        let second = try opened(&table, 11)
        #expect(first == SlotTable.Slot(index: 0, generation: 1))
        #expect(second == SlotTable.Slot(index: 1, generation: 1))
        #expect(table.isFull)
        #expect(table.open(12) == nil)
        #expect(table.close(first) == 10)
        #expect(table.open(12) == SlotTable.Slot(index: 0, generation: 2))
    }

    @Test func lateAndWrongReportsAreIgnored() throws {
        var table = SlotTable(capacity: 4)
        let old = try opened(&table, 10)
        #expect(table.close(old) == 10)
        #expect(table.close(old) == nil)
        _ = table.open(11)
        #expect(table.close(old) == nil)
        #expect(table.close(SlotTable.Slot(index: 3, generation: 1)) == nil)
        #expect(table.close(SlotTable.Slot(index: .max, generation: 1)) == nil)
        #expect(table.count == 1)
    }

    @Test func closingAllGivesBackEveryDescriptorOnce() {
        var table = SlotTable(capacity: 10)
        let slots = (0..<10).compactMap { table.open(100 + $0) }
        for slot in slots where slot.index % 3 == 0 { _ = table.close(slot) }
        #expect(table.closeAll().sorted() == [101, 102, 104, 105, 107, 108])
        #expect(table.count == 0)
        #expect(table.closeAll().isEmpty)
        // All ten are free again, each once.
        #expect(Set((0..<10).compactMap { table.open($0)?.index }).count == 10)
    }

    private func opened(_ table: inout SlotTable, _ descriptor: Int32) throws -> SlotTable.Slot {
        let slot = table.open(descriptor)
        return try #require(slot)
    }

    /// Against a list of what is open.
    @Test func randomHistories() {
        let seed: UInt64 = 0x5107
        var random = SplitMix64(state: seed)
        var table = SlotTable(capacity: 50)
        var open: [(slot: SlotTable.Slot, descriptor: Int32)] = []
        for step in 0..<20_000 {
            if open.isEmpty || random.next() % 5 < 3 {
                let slot = table.open(Int32(step))
                #expect((slot == nil) == (open.count == 50), "seed \(seed), step \(step)")
                if let slot {
                    #expect(!open.contains { $0.slot.index == slot.index }, "seed \(seed), step \(step)")
                    open.append((slot, Int32(step)))
                }
            } else {
                let closed = open.remove(at: Int(random.next() % UInt64(open.count)))
                #expect(table.close(closed.slot) == closed.descriptor, "seed \(seed), step \(step)")
            }
            #expect(table.count == open.count, "seed \(seed), step \(step)")
        }
    }
}

struct SplitMix64: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
