import Glibc
import Testing

@testable import Store

/// A damaged store never stops the broker: it is set aside, and nothing false is recovered.
@Suite struct DamageTests {
    static let sessions = (0..<40 as Range<UInt32>).map { number in
        StoredSession(
            number: number, clientIdentifier: Array("client-\(number)".utf8), version: 5, expiryInterval: .max,
            will: [UInt8](repeating: 3, count: Int(number) * 4), acceptedAt: UInt64(number) << 40)
    }

    static func entry(_ session: UInt32, _ sequence: UInt64) -> Entry {
        let seed = UInt8(truncatingIfNeeded: UInt64(session) * 7 + sequence)
        return Entry(
            sequence: sequence, head: EntryHead(qos: 1, packetIdentifier: UInt16(sequence)), identifiers: [11, seed],
            message: Message("queue/\(session)", [UInt8](repeating: seed, count: 150), expiresAt: sequence))
    }

    static func retained(_ number: Int) -> Retained {
        Retained(qos: 1, message: Message("retained/\(number)", Array("value \(number)".utf8)))
    }

    static let shared = Message("shared", [UInt8](repeating: 9, count: 500))
    static let mark = ClockMark(
        storeSeconds: 4000, wallSeconds: 5000, bootIdentifier: Array("boot".utf8), bootSeconds: 6)

    /// A store with something in every table, closed.
    static func fill(_ folder: TemporaryFolder) throws {
        let store = try folder.open()
        // First, so that they lie in the first half of the file.
        try store.apply { log in
            for session in sessions { log.putSession(session) }
        }
        var log = ChangeLog()
        for session in sessions {
            let filter = Array("filter/\(session.number)".utf8)
            log.putSubscription(session.number, filter.span.raw, options: 1, identifier: 5)
            log.putReceived(session.number, 44)
            for sequence: UInt64 in 1...25 { log.put(session.number, entry(session.number, sequence)) }
        }
        log.putMessage(70, references: 40, shared)
        for session in sessions {
            log.put(
                session.number,
                Entry(sequence: 26, head: EntryHead(qos: 1), identifiers: [], message: shared), shared: 70)
        }
        for number in 0..<300 { log.putRetained(retained(number)) }
        try store.commit(&log, clock: mark)
        store.close()
    }

    /// Everything that the store holds is what was written, and belongs together.
    static func check(_ store: Store, _ note: Comment) throws -> Recovered {
        var found = Recovered()
        var numbers: Set<UInt32> = []
        for session in try store.sessions() {
            #expect(session == sessions[Int(session.number)], note)
            numbers.insert(session.number)
        }
        found.sessions = numbers.count
        for row in try store.subscriptions() {
            let filter = Array("filter/\(row.session)".utf8)
            #expect(row == StoredSubscription(session: row.session, filter: filter, options: 1, identifier: 5), note)
            #expect(numbers.contains(row.session), note)
            found.subscriptions += 1
        }
        for row in try store.received() {
            #expect(row.packetIdentifier == 44 && numbers.contains(row.session), note)
            found.received += 1
        }
        for backlog in try store.backlogs() {
            #expect(numbers.contains(backlog.session), note)
            let queue = try store.queue(backlog.session)
            for row in queue {
                let expected =
                    row.sequence == 26
                    ? Entry(sequence: 26, head: EntryHead(qos: 1), identifiers: [], message: shared)
                    : entry(backlog.session, row.sequence)
                #expect(row == expected, note)
            }
            #expect(backlog.messages == UInt64(queue.count), note)
            #expect(backlog.bytes == queue.reduce(0) { $0 + UInt64($1.message.bytes.count) }, note)
            #expect(backlog.firstSequence == queue.first?.sequence, note)
            found.entries += queue.count
        }
        for (topic, row) in try store.retained() {
            let number = Int(String(decoding: topic, as: UTF8.self).dropFirst("retained/".count)) ?? -1
            #expect(row == retained(number), note)
            found.retained += 1
        }
        return found
    }

    static func recovered(_ store: Store) -> (why: String, to: String, Recovered)? {
        for notice in store.notices {
            if case .setAside(_, let to, let why, let recovered) = notice { return (why, to, recovered) }
        }
        return nil
    }

    @Test func aMarkedStoreIsSetAsideAndWhollyRecovered() throws {
        let folder = TemporaryFolder()
        try Self.fill(folder)
        let before = File.read(folder.file)
        StorePaths(folder: folder.path).markDamaged()
        var store = try folder.open()
        let (why, to, recovered) = try #require(Self.recovered(store))
        #expect(why.contains("while it was in use"))
        #expect(File.read(to) == before, "what is set aside is not changed")
        #expect(to.hasPrefix(folder.file + ".damaged-20") && to.hasSuffix("Z"))
        let whole = Recovered(
            sessions: 40, subscriptions: 40, received: 40, entries: 1040, retained: 300, discarded: 0)
        #expect(recovered == whole)
        #expect(try Self.check(store, "whole") == whole)
        #expect(store.savedClock == Self.mark)
        #expect(store.lastMessage == 70)
        try store.apply { $0.put(1, .plain(27)) }
        store.close()
        store = try folder.open()
        #expect(store.notices.isEmpty)
    }

    @Test func aDamagedStoreOfAnOlderVersionIsRecovered() throws {
        let folder = TemporaryFolder()
        let store = try folder.open()
        let session = StoredSession(number: 3, clientIdentifier: [65], version: 5, expiryInterval: 1)
        try store.apply { $0.putSession(session) }
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
        StorePaths(folder: folder.path).markDamaged()
        let again = try folder.open()
        #expect(Self.recovered(again)?.2.sessions == 1)
        #expect(try again.sessions() == [session])
    }

    /// Fifty stores with garbage at random offsets: many kinds of damage, in the file or in its write-ahead log.
    @Test func garbageAtRandomOffsetsIsNeverFatalAndNeverRecovered() throws {
        var random = SplitMix64(seed: 20_26)
        let original = TemporaryFolder()
        try Self.fill(original)
        let sound = File.read(original.file)
        var setAside = 0
        var rescued = 0
        for round in 0..<50 {
            let folder = TemporaryFolder()
            var bytes = sound
            for _ in 0...random.below(6) {
                let length = 1 + random.below(random.below(2) == 0 ? 16 : 6000)
                let start = random.below(bytes.count)
                for offset in start..<min(start + length, bytes.count) { bytes[offset] = UInt8(random.below(256)) }
            }
            if round % 10 == 9 { bytes.removeLast(random.below(bytes.count)) }
            File.write(folder.file, bytes)
            let note: Comment = "round \(round)"
            var store = try folder.open()
            if Self.recovered(store) == nil {
                // What start does not read is found when it is read, and the next start recovers.
                if try !Self.readsEverything(store) {
                    store.close()
                    store = try folder.open()
                    #expect(Self.recovered(store) != nil, note)
                }
            }
            let found = try Self.check(store, note)
            if let (_, to, recovered) = Self.recovered(store) {
                setAside += 1
                rescued += found.entries
                var counted = recovered
                counted.discarded = 0
                #expect(found == counted, note)
                #expect(File.read(to) == bytes, note)
            }
            try store.apply { $0.putRetained(Self.retained(1)) }
            store.close()
        }
        #expect(setAside > 30)
        #expect(rescued > setAside * 300, "most of what is not damaged must be found: \(rescued) of \(setAside)")
    }

    /// Whether all queues and retained messages can be read.
    static func readsEverything(_ store: Store) throws -> Bool {
        for session in sessions {
            var after: UInt64 = 0
            while true {
                store.requestPage(session.number, after: after, messages: 50, bytes: .max)
                let page: QueuePage? = try store.event { event in
                    if case .page(let page) = event { return .some(page) }
                    if case .damaged = event { return .some(nil) }
                    return nil
                }
                guard let page else { return false }
                if page.isEnd { break }
                after = page.rows.last!.sequence
            }
        }
        store.requestRetained(after: 0, rows: 1000)
        return try store.event { event in
            if case .retained = event { return true }
            if case .damaged = event { return false }
            return nil
        }
    }

    @Test func damageMetWhileRunningIsReportedAndTheNextStartRecovers() throws {
        let folder = TemporaryFolder()
        try Self.fill(folder)
        var bytes = File.read(folder.file)
        // A byte of one payload: nothing that SQLite could see.
        let target = Array("value 250".utf8)
        let place = try #require(bytes.indices.first { bytes[$0...].starts(with: target) })
        bytes[place + 1] ^= 1
        File.write(folder.file, bytes)
        var store = try folder.open()
        #expect(store.notices.isEmpty)
        #expect(try !Self.readsEverything(store))
        store.close()
        #expect(folder.names().contains("apus.db.is-damaged"))
        store = try folder.open()
        let (_, _, recovered) = try #require(Self.recovered(store))
        #expect(recovered.retained == 299 && recovered.discarded == 1 && recovered.entries == 1040)
        #expect(!folder.names().contains("apus.db.is-damaged"))
    }

    @Test(arguments: ["empty", "zeros", "first page", "text", "foreign"])
    func whatIsNoStoreIsSetAside(kind: String) throws {
        let folder = TemporaryFolder()
        try Self.fill(folder)
        var bytes = File.read(folder.file)
        switch kind {
        case "empty": bytes = []
        case "zeros": bytes = [UInt8](repeating: 0, count: bytes.count)
        case "first page": bytes.replaceSubrange(0..<4096, with: [UInt8](repeating: 0, count: 4096))
        case "text": bytes = Array("not a database at all, but longer than a header must be: ".utf8) + bytes
        default: bytes[68] ^= 0xFF
        }
        File.write(folder.file, bytes)
        let store = try folder.open()
        let (_, to, _) = try #require(Self.recovered(store))
        #expect(File.read(to) == bytes)
        _ = try Self.check(store, "\(kind)")
        try store.apply { $0.putSession(Self.sessions[0]) }
    }

    @Test func halfAFileStillGivesWhatItHolds() throws {
        let folder = TemporaryFolder()
        try Self.fill(folder)
        let bytes = File.read(folder.file)
        File.write(folder.file, Array(bytes.prefix(bytes.count / 2)))
        let store = try folder.open()
        let (_, _, recovered) = try #require(Self.recovered(store))
        #expect(recovered.entries > 100)
        _ = try Self.check(store, "half")
    }

    /// Whatever its last page is for.
    @Test(arguments: [1, 1000, 4096]) func aFileThatIsTooShortIsDamaged(missing: Int) throws {
        let folder = TemporaryFolder()
        try Self.fill(folder)
        File.write(folder.file, Array(File.read(folder.file).dropLast(missing)))
        let store = try folder.open()
        let (why, _, _) = try #require(Self.recovered(store))
        #expect(why.hasPrefix("its file has "))
    }

    /// A process that was killed leaves its log: copied here while the store is open.
    @Test func theWriteAheadLogCountsAndItsTornEndDoesNot() throws {
        let folder = TemporaryFolder()
        let copy = TemporaryFolder()
        var store = try folder.open()
        var lengths: [Int] = []
        for sequence: UInt64 in 1...20 {
            try store.apply { $0.put(3, .plain(sequence)) }
            lengths.append(File.read(folder.file + "-wal").count)
        }
        File.write(copy.file, File.read(folder.file))
        let log = File.read(folder.file + "-wal")
        store.close()
        // In the middle of the eleventh transaction.
        File.write(copy.file + "-wal", Array(log.prefix((lengths[9] + lengths[10]) / 2)))
        store = try copy.open()
        #expect(store.notices.isEmpty)
        #expect(try store.queue(3).map(\.sequence) == Array(1...10))
    }

    @Test func theLogIsRecoveredWithTheFile() throws {
        let folder = TemporaryFolder()
        let copy = TemporaryFolder()
        try Self.fill(folder)
        let store = try folder.open()
        try store.apply { $0.put(3, .plain(100)) }
        for suffix in ["", "-wal"] { File.write(copy.file + suffix, File.read(folder.file + suffix)) }
        StorePaths(folder: copy.path).markDamaged()
        let second = try copy.open()
        #expect(try second.queue(3).last == .plain(100))
        #expect(try #require(Self.recovered(second)).2.entries == 1041)
    }

    @Test func aStoreOfANewerVersionIsRefusedAndUntouched() throws {
        let folder = TemporaryFolder()
        try Self.fill(folder)
        var bytes = File.read(folder.file)
        bytes[63] = 9
        File.write(folder.file, bytes)
        #expect(throws: StoreError.newer(path: folder.file, version: 9, supported: Int(Schema.version))) {
            try folder.open()
        }
        #expect(File.read(folder.file) == bytes)
        #expect(folder.names() == ["apus.db", "apus.db.lock"])
    }

    /// The newer program was killed before its version reached the file itself.
    @Test func aNewerVersionInTheWriteAheadLogIsSeen() throws {
        let folder = TemporaryFolder()
        let copy = TemporaryFolder()
        let store = try folder.open()
        let newer = try Connection(folder.file, .write)
        try newer.execute("PRAGMA user_version = 8")
        for suffix in ["", "-wal"] { File.write(copy.file + suffix, File.read(folder.file + suffix)) }
        let before = File.read(copy.file + "-wal")
        #expect(throws: StoreError.newer(path: copy.file, version: 8, supported: Int(Schema.version))) {
            try copy.open()
        }
        #expect(File.read(copy.file + "-wal") == before)
        #expect(!copy.names().contains("apus.db-shm"))
        store.close()
    }

    @Test func aLogWithoutItsFileIsNotTakenForTheNewStores() throws {
        let folder = TemporaryFolder()
        let copy = TemporaryFolder()
        let store = try folder.open()
        try store.apply { $0.put(3, .plain(1)) }
        File.write(copy.file + "-wal", File.read(folder.file + "-wal"))
        StorePaths(folder: copy.path).markDamaged()
        let second = try copy.open()
        #expect(second.notices == [.created(path: copy.file)])
        #expect(try second.queue(3).isEmpty)
        #expect(copy.names().contains { $0.hasPrefix("apus.db.damaged-") && $0.hasSuffix("-wal") })
    }

    @Test func aStartThatWasCutOffBeforeTheLastRenameGoesOn() throws {
        let folder = TemporaryFolder()
        try Self.fill(folder)
        _ = unsafe rename(folder.file, folder.file + ".new")
        let store = try folder.open()
        #expect(try Self.check(store, "renamed").entries == 1040)
    }

    @Test func aFolderThatIsNoneIsRefusedInWords() throws {
        let folder = TemporaryFolder()
        File.write(folder.path + "/file", [1])
        let error = try #require(throws: StoreError.self) {
            try Store.open(folder: folder.path + "/file", mode: .commit)
        }
        #expect("\(error)".contains("\(folder.path)/file/apus.db.lock: Not a directory"))
        let missing = try #require(throws: StoreError.self) {
            try Store.open(folder: folder.path + "/none", mode: .commit)
        }
        #expect("\(missing)".contains("No such file"))
    }
}
