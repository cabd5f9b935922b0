import Testing

@testable import Store

/// What has come from other brokers of a cluster.
@Suite struct SeenTests {
    static func row(_ number: UInt32, _ count: UInt64 = 1, items: [UInt8] = [1, 2]) -> StoredSeen {
        StoredSeen(number: number, node: [65], count: count, items: items)
    }

    @Test func aRowIsTheLastThatWasPut() throws {
        let folder = TemporaryFolder()
        var store = try folder.open()
        try store.apply { log in
            log.putSeen(Self.row(.max, 1 << 60))
            for number in 5..<9 { log.putSeen(Self.row(UInt32(number))) }
            log.putSeen(Self.row(7, 2, items: [3]))
            log.removeSeen(5..<7)
        }
        store.close()
        store = try folder.open()
        let rows = store.takeContents().seen
        #expect(rows == [Self.row(7, 2, items: [3]), Self.row(8), Self.row(.max, 1 << 60)])
    }

    /// The others are recovered.
    @Test func aFalseRowIsDamage() throws {
        let folder = TemporaryFolder()
        let store = try folder.open()
        try store.apply {
            $0.putSeen(Self.row(1))
            $0.putSeen(Self.row(2))
        }
        store.close()
        let other = try Connection(folder.file, .write)
        try other.execute("UPDATE seen SET count = 9 WHERE id = 1")
        let again = try folder.open()
        #expect(again.notices.count == 1)
        let rows = again.takeContents().seen
        #expect(rows == [Self.row(2)])
    }
}
