import Testing

@testable import Store

/// How far the listeners' streams are in the store.
@Suite struct MarkTests {
    @Test func aMarkIsTheLastThatWasPut() throws {
        let folder = TemporaryFolder()
        var store = try folder.open()
        try store.apply { log in
            log.putMark(.max, 1 << 60)
            log.putMark(7, 10)
            log.putMark(7, 20)
        }
        store.close()
        store = try folder.open()
        let marks = store.takeContents().marks
        #expect(marks == [StoredMark(place: 7, bytes: 20), StoredMark(place: .max, bytes: 1 << 60)])
    }

    @Test func aFalseMarkIsDamage() throws {
        let folder = TemporaryFolder()
        let store = try folder.open()
        try store.apply { $0.putMark(7, 20) }
        store.close()
        let other = try Connection(folder.file, .write)
        try other.execute("UPDATE mark SET bytes = 21")
        let again = try folder.open()
        #expect(again.notices.count == 1)
        let marks = again.takeContents().marks
        #expect(marks.isEmpty)
    }

    @Test func aStoreOfVersionOneGetsItsTable() throws {
        let folder = TemporaryFolder()
        let store = try folder.open()
        try store.apply {
            $0.putSession(StoredSession(number: 3, clientIdentifier: [65], version: 5, expiryInterval: 1))
        }
        store.close()
        do {
            let former = try Connection(folder.file, .write)
            try former.execute(
                """
                DROP TABLE mark; DROP TABLE seen; ALTER TABLE session DROP COLUMN accepted_at;
                ALTER TABLE retained DROP COLUMN stamp; PRAGMA user_version = 1
                """
            )
        }
        let migrated = try folder.open()
        #expect(migrated.notices == [.migrated(from: 1, to: 4)])
        #expect(try migrated.sessions().map(\.number) == [3])
        try migrated.apply { $0.putMark(1, 1) }
    }
}
