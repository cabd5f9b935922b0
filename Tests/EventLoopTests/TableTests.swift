// A table that grows, with values that own something.

import Synchronization
import Testing

@testable import EventLoop

@Suite struct TableTests {
    @Test func valuesStayWhereTheyWereWhileItGrows() {
        var table = Table<[Int]>()
        for number in 0..<1000 { table.append([number]) }
        for number in stride(from: 0, to: 1000, by: 3) { table[number].append(-number) }
        let (count, isEmpty) = (table.count, table.isEmpty)
        #expect(count == 1000 && !isEmpty)
        let values = table.map { $0 }
        #expect(values == (0..<1000).map { $0 % 3 == 0 ? [$0, -$0] : [$0] })
        let (first, none) = (table.firstIndex { $0.last == -9 }, table.contains { $0.isEmpty })
        #expect(first == 9 && !none)
        let long = table.filter { $0.count == 2 }
        #expect(long.count == 334)
    }

    @Test func whatItHoldsGoesWithIt() {
        final class Owned {}
        weak var held: Owned?
        do {
            let owned = Owned()
            held = owned
            var table = Table<Owned>()
            table.append(owned)
        }
        #expect(held == nil)
    }

    /// From a megabyte on its pages move.
    @Test func growthMovesWhatOwnsSomething() {
        final class Counted: Sendable {
            static let alive = Atomic(0)
            let number: Int
            init(_ number: Int) {
                self.number = number
                Self.alive.add(1, ordering: .relaxed)
            }
            deinit { Self.alive.subtract(1, ordering: .relaxed) }
        }
        do {
            var table = Table<Counted>()
            for number in 0..<1_000_000 { table.append(Counted(number)) }
            let (memory, alive) = (table.memory, Counted.alive.load(ordering: .relaxed))
            #expect(memory == 8 << 20 && alive == 1_000_000)
            let wrong = table.indices.first { table[$0].number != $0 }
            #expect(wrong == nil)
        }
        let alive = Counted.alive.load(ordering: .relaxed)
        #expect(alive == 0)
    }

    @Test(arguments: [10, 300_000])
    func whatIsLeftOutCostsNothingAndCanBePut(count: Int) {
        var table = Table<[Int]>()
        table.append([-1])
        table.leaveOut(upTo: count)
        table.put([7], at: 7)
        table.append([count])
        let present = table.indices.filter { table.has($0) }
        #expect(present == [0, 7, count])
        let values = present.map { table[$0] }
        #expect(values == [[-1], [7], [count]])
        let put = table.putAll([0])
        #expect(put.count == count - 2 && put.prefix(7) == [1, 2, 3, 4, 5, 6, 8])
        let (sum, isWhole) = (table.map { $0[0] }.reduce(0, +), table.indices.allSatisfy { table.has($0) })
        #expect(sum == 6 + count && isWhole)
    }

    @Test func whatWasLeftOutIsNotGivenBack() {
        var table = Table<[Int]>()
        table.leaveOut(upTo: 200_000)
        table.put([1, 2, 3], at: 100_000)
        let value = table[100_000]
        #expect(value == [1, 2, 3])
    }
}
