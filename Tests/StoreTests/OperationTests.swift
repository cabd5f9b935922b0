import Testing

@testable import Store

/// Each change, and what of it is there after the store was closed and opened again.
@Suite struct OperationTests {
    static let session = StoredSession(
        number: 3, clientIdentifier: Array("måne".utf8), version: 5, expiryInterval: .max, expiresAt: 77,
        will: [1, 0, 2], willAt: 99)

    @Test func sessionsComeBackAsTheyWere() throws {
        let folder = TemporaryFolder()
        let plain = StoredSession(number: 8_388_607, clientIdentifier: [], version: 4, expiryInterval: 0)
        var store = try folder.open()
        #expect(store.notices == [.created(path: folder.file)])
        var changed = Self.session
        changed.will = []
        try store.apply {
            $0.putSession(changed)
            $0.putSession(plain)
            $0.putSession(Self.session)
        }
        store.close()
        store = try folder.open()
        #expect(store.notices.isEmpty)
        #expect(try store.sessions() == [Self.session, plain])
        try store.apply { $0.removeSession(3) }
        #expect(try store.sessions() == [plain])
    }

    @Test func subscriptionsAreReplacedAndRemovedByTheirFilter() throws {
        let folder = TemporaryFolder()
        let store = try folder.open()
        let first = StoredSubscription(session: 3, filter: Array("a/#".utf8), options: 1, identifier: 268_435_455)
        let second = StoredSubscription(session: 3, filter: Array("b".utf8), options: 0x2D, identifier: 0)
        try store.apply { log in
            log.putSession(Self.session)
            log.putSubscription(3, first.filter.span.raw, options: 2, identifier: 1)
            for row in [first, second] {
                log.putSubscription(3, row.filter.span.raw, options: row.options, identifier: row.identifier)
            }
        }
        #expect(try store.subscriptions() == [first, second])
        try store.apply { $0.removeSubscription(3, first.filter.span.raw) }
        #expect(try store.subscriptions() == [second])
    }

    @Test func receivedIdentifiersAreASet() throws {
        let folder = TemporaryFolder()
        let store = try folder.open()
        try store.apply { log in
            for identifier: UInt16 in [1, 65535, 7, 7] { log.putReceived(3, identifier) }
            log.putReceived(4, 7)
            log.removeReceived(3, 1)
        }
        #expect(
            try store.received() == [
                StoredReceived(session: 3, packetIdentifier: 7), StoredReceived(session: 3, packetIdentifier: 65535),
                StoredReceived(session: 4, packetIdentifier: 7),
            ])
    }

    @Test func entriesComeBackInOrderWithEverythingThatWasPut() throws {
        let folder = TemporaryFolder()
        var store = try folder.open()
        let head = EntryHead(qos: 2, flags: 0xA5, packetIdentifier: 65535, stage: 3)
        let first = Entry(
            sequence: 1, head: head, identifiers: [11, 5],
            message: Message("a/b", [0, 1, 2], properties: [9, 9], expiresAt: 1 << 40))
        let bare = Entry(sequence: 2, head: EntryHead(qos: 1), identifiers: [], message: Message("", []))
        // Longer than what lies in the queue's own row.
        let long = Entry(
            sequence: (1 << 40) - 1, head: head, identifiers: [1],
            message: Message("long", [UInt8](repeating: 7, count: 100_000), properties: [3], expiresAt: 4))
        try store.apply { log in
            for entry in [long, first, bare] { log.put(3, entry) }
            log.put(4, first)
        }
        #expect(try store.queue(3) == [first, bare, long])
        store.close()
        store = try folder.open()
        #expect(try store.queue(3) == [first, bare, long])
        let bytes = UInt64(first.message.bytes.count)
        #expect(
            try store.backlogs() == [
                Backlog(
                    session: 3, messages: 3, bytes: bytes + UInt64(long.message.bytes.count), firstSequence: 1,
                    lastSequence: (1 << 40) - 1),
                Backlog(session: 4, messages: 1, bytes: bytes, firstSequence: 1, lastSequence: 1),
            ])
        try store.apply { $0.assign(3, 2, packetIdentifier: 9, stage: 1, flags: 2) }
        var assigned = bare
        assigned.head = EntryHead(qos: 1, flags: 2, packetIdentifier: 9, stage: 1)
        #expect(try store.queue(3) == [first, assigned, long])
        try store.apply { log in
            log.removeEntry(3, 2)
            log.removeEntry(3, 5)
            log.removeEntry(3, (1 << 40) - 1)
        }
        #expect(try store.queue(3) == [first])
        store.close()
        #expect(try count(folder, "message") == 0, "the long message went with its entry")
    }

    @Test func sharedMessagesGoWithTheirLastEntry() throws {
        let folder = TemporaryFolder()
        var store = try folder.open()
        let message = Message("shared", [1, 2, 3], properties: [4], expiresAt: 5)
        let entries = (1...4).map { session in
            Entry(sequence: UInt64(session), head: EntryHead(qos: 1), identifiers: [UInt8(session)], message: message)
        }
        try store.apply { log in
            log.putMessage(900, references: 4, message)
            for (session, entry) in entries.enumerated() {
                log.putSession(
                    StoredSession(number: UInt32(session), clientIdentifier: [65], version: 5, expiryInterval: 1))
                log.put(UInt32(session), entry, shared: 900)
            }
        }
        for (session, entry) in entries.enumerated() { #expect(try store.queue(UInt32(session)) == [entry]) }
        try store.apply { log in
            log.removeEntry(0, 1)
            log.removeEntries(1, through: 2)
            log.removeEntry(0, 1)
        }
        #expect(try store.queue(2) == [entries[2]])
        store.close()
        store = try folder.open()
        #expect(store.lastMessage == 900)
        let trimmed = try store.apply { log in
            log.removeSession(2)
            log.trim(3, messages: 1, bytes: 0)
        }
        #expect(trimmed == [Trimmed(session: 3, messages: 1, bytes: UInt64(message.bytes.count))])
        store.close()
        for table in ["message", "reference", "queue"] { #expect(try count(folder, table) == 0) }
    }

    @Test func trimTakesTheOldestUntilBothAreGone() throws {
        let folder = TemporaryFolder()
        let store = try folder.open()
        try store.apply { log in
            for sequence: UInt64 in 1...20 { log.put(3, .plain(sequence, bytes: 10)) }
            log.put(4, .plain(1))
        }
        let trimmed = try store.apply { log in
            log.trim(3, messages: 2, bytes: 0)
            log.trim(3, messages: 0, bytes: 25)
            log.trim(3, messages: 4, bytes: 1)
            log.trim(3, messages: 0, bytes: 0)
            log.trim(5, messages: 9, bytes: 9)
        }
        #expect(trimmed.map(\.messages) == [2, 3, 4, 0, 0])
        #expect(trimmed.map(\.bytes) == [20, 30, 40, 0, 0])
        #expect(try store.queue(3).map(\.sequence) == Array(10...20))
        let rest = try store.apply { $0.trim(3, messages: .max, bytes: .max) }
        #expect(rest == [Trimmed(session: 3, messages: 11, bytes: 110)])
        #expect(try store.backlogs().map(\.session) == [4])
    }

    @Test func retainedMessagesAreOnePerTopic() throws {
        let folder = TemporaryFolder()
        let store = try folder.open()
        let messages = (0..<12).map { number in
            Retained(
                qos: UInt8(number % 3),
                message: Message("r/\(number)", [UInt8(number)], properties: [1], expiresAt: UInt64(number)))
        }
        try store.apply { log in
            var older = messages[3]
            older.message = Message("r/3", [99, 99])
            log.putRetained(older)
            for message in messages { log.putRetained(message) }
            let topic = Array("r/5".utf8)
            log.removeRetained(topic.span.raw)
        }
        let found = try store.retained()
        #expect(found.count == 11)
        for (number, message) in messages.enumerated() where number != 5 {
            #expect(found[Array("r/\(number)".utf8)] == message)
        }
    }

    @Test func removingASessionRemovesAllThatIsIts() throws {
        let folder = TemporaryFolder()
        let store = try folder.open()
        let filter = Array("f".utf8)
        try store.apply { log in
            for number: UInt32 in [3, 4] {
                log.putSession(
                    StoredSession(number: number, clientIdentifier: [65], version: 5, expiryInterval: 1))
                log.putSubscription(number, filter.span.raw, options: 0, identifier: 0)
                log.putReceived(number, 0)
                log.putReceived(number, 65535)
                for sequence: UInt64 in 1...30 { log.put(number, .plain(sequence)) }
            }
            log.removeSession(3)
        }
        #expect(try store.sessions().map(\.number) == [4])
        #expect(try store.subscriptions().map(\.session) == [4])
        #expect(try store.received().map(\.session) == [4, 4])
        #expect(try store.backlogs().map(\.session) == [4])
        #expect(try store.queue(3).isEmpty)
        #expect(try store.queue(4).count == 30)
    }

    @Test func theClockIsWrittenOnceASecond() throws {
        let folder = TemporaryFolder()
        var store = try folder.open()
        #expect(store.savedClock == nil)
        for (seconds, boot) in [(100, 7), (100, 8), (101, 9)] as [(UInt64, UInt64)] {
            var log = ChangeLog()
            log.putReceived(1, 1)
            let mark = ClockMark(
                storeSeconds: seconds, wallSeconds: 5, bootIdentifier: Array("boot".utf8), bootSeconds: boot)
            try store.commit(&log, clock: mark)
            #expect(log.isEmpty)
            if boot == 8 {
                store.close()
                store = try folder.open()
                #expect(store.savedClock?.bootSeconds == 7)
            }
        }
        store.close()
        store = try folder.open()
        #expect(
            store.savedClock
                == ClockMark(storeSeconds: 101, wallSeconds: 5, bootIdentifier: Array("boot".utf8), bootSeconds: 9))
    }

    @Test func removalsInARowAreOneChange() {
        var log = ChangeLog()
        for sequence: UInt64 in 5...9 { log.removeEntry(3, sequence) }
        #expect(log.count == 1)
        log.removeEntry(3, 11)
        log.removeEntry(4, 12)
        log.putReceived(4, 1)
        log.removeEntry(4, 13)
        #expect(log.count == 5)
    }
}

extension Store {
    func sessions() throws -> [StoredSession] { try now().sessions }
    func subscriptions() throws -> [StoredSubscription] { try now().subscriptions }
    func received() throws -> [StoredReceived] { try now().received }
    func backlogs() throws -> [Backlog] { try now().backlogs }

    private func now() throws -> StoredSessions {
        try renewAnswers()
        return try sessions(.all)
    }
}
