// A table that grows, with values that own something.

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
}
