// The hash table of numbers against a dictionary, with hashes that collide and while it grows.

import Testing

@testable import Router

@Suite struct NumberTableTests {
    /// All numbers with a hash.
    private static func find(_ hash: UInt32, _ table: borrowing NumberTable) -> Set<UInt32> {
        var probe = table.probe(hash)
        var found: Set<UInt32> = []
        while true {
            let number = table.next(&probe)
            guard number != 0 else { return found }
            found.insert(number)
        }
    }

    /// - Parameter hashes: how many there are; where they are few, many numbers share one.
    @Test(arguments: [(1, 40), (2, 3000), (3, 1 << 30)])
    func agreesWithADictionary(seed: UInt64, hashes: Int) {
        var random = SeededGenerator(seed: seed)
        var table = NumberTable()
        var model: [UInt32: UInt32] = [:]
        var latest: UInt32 = 0
        // Grows, shrinks and grows again: it doubles with entries on the move and without.
        for step in 0..<2400 {
            if step < 1000 || step > 1800 || model.isEmpty || random.below(3) == 0 {
                latest += 1
                let hash = UInt32(random.below(hashes))
                model[latest] = hash
                table.insert(latest, hash: hash)
            } else {
                let number = model.keys.sorted()[random.below(model.count)]
                table.remove(number, hash: model.removeValue(forKey: number)!)
            }
            let hash = UInt32(random.below(hashes))
            let wanted = Set(model.filter { $0.value == hash }.keys)
            let found = Self.find(hash, table)
            #expect(found == wanted)
        }
        for hash in Set(model.values) {
            let found = Self.find(hash, table)
            #expect(found == Set(model.filter { $0.value == hash }.keys))
        }
        let count = table.count
        #expect(count == model.count)
    }

    @Test func nothingIsLostWhileItDoubles() {
        var table = NumberTable()
        for number in 1...30_000 as ClosedRange<UInt32> {
            table.insert(number, hash: number &* 0x9E37_79B9)
            // One from before the last doubling.
            let earlier = number / 3 + 1
            let found = Self.find(earlier &* 0x9E37_79B9, table)
            #expect(found == [earlier])
        }
        // Eight bytes a slot, at most a quarter used right after a doubling; what it grew from is given back.
        let memory = table.memory
        #expect(memory == 8 * 65_536)
    }
}
