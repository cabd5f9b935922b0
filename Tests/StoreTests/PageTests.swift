import Testing

@testable import Store

/// Reading queues in pieces, also while they are written.
@Suite struct PageTests {
    @Test func pagesEndAtTheirLimits() throws {
        let folder = TemporaryFolder()
        let store = try folder.open()
        try store.apply { log in
            for sequence: UInt64 in 1...10 { log.put(3, .plain(sequence, bytes: 100)) }
            log.put(4, .plain(11))
            log.put(2, .plain(11))
        }
        let first = try store.page(3, messages: 4)
        #expect(first.rows.map(\.sequence) == [1, 2, 3, 4])
        #expect(!first.isEnd && first.session == 3)
        let second = try store.page(3, after: 4, messages: 6)
        #expect(second.rows.map(\.sequence) == [5, 6, 7, 8, 9, 10])
        #expect(second.isEnd)
        #expect(try store.page(3, bytes: 250).rows.map(\.sequence) == [1, 2])
        #expect(try store.page(3, after: 9, bytes: 1).rows.map(\.sequence) == [10], "the first always comes")
        let none = try store.page(3, after: 10)
        #expect(none.rows.isEmpty && none.isEnd)
        #expect(try store.page(3, after: .max).isEnd)
    }

    @Test func pagesAreWholeAndInOrderWhileTheQueueGrowsAndShrinks() throws {
        let folder = TemporaryFolder()
        let store = try folder.open()
        var log = ChangeLog()
        var next: UInt64 = 1
        var after: UInt64 = 0
        var numbers: [UInt64] = []
        for _ in 0..<300 {
            for _ in 0..<20 {
                log.put(3, .plain(next, bytes: 50))
                next += 1
            }
            log.removeEntries(3, through: after)
            store.submit(&log)
            let page = try store.page(3, after: after, messages: 30)
            #expect(page.entries.allSatisfy { $0 == .plain($0.sequence, bytes: 50) })
            numbers += page.rows.map(\.sequence)
            after = numbers.last ?? 0
        }
        store.submit(&log)
        try store.apply { $0.putReceived(3, 1) }
        numbers += try store.page(3, after: after, messages: .max - 1).rows.map(\.sequence)
        #expect(numbers == Array(1..<next))
    }
}
