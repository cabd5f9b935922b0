import Glibc
import Testing

@testable import Store

/// What happens when there is no room, and what is tried again.
@Suite struct RetryTests {
    @Test func withoutMessagesEverythingElseStaysInOrder() {
        var log = ChangeLog()
        let session = StoredSession(
            number: 3, clientIdentifier: Array("me".utf8), version: 5, expiryInterval: 1, will: [1])
        let retained = Retained(qos: 1, message: Message("r/t", [1, 2]))
        log.putSession(session)
        log.putMessage(9, references: 1, Message("shared", [1, 2, 3]))
        log.put(3, .plain(4, bytes: 10))
        log.put(
            3, Entry(sequence: 5, head: EntryHead(qos: 1), identifiers: [1], message: Message("shared", [1])), shared: 9
        )
        log.putRetained(retained)
        log.putReceived(3, 77)
        log.removeEntry(3, 1)
        let (retry, dropped) = log.withoutMessages()
        #expect(
            dropped == [
                .entry(session: 3, sequence: 4, bytes: 10), .entry(session: 3, sequence: 5, bytes: 7),
                .retained(topic: Array("r/t".utf8)),
            ])
        var expected = ChangeLog()
        expected.putSession(session)
        expected.append(Operation(kind: .removeMessage, number: 9))
        expected.removeEntry(3, 4)
        expected.removeEntry(3, 5)
        expected.putReceived(3, 77)
        expected.removeEntry(3, 1)
        #expect(retry.count == expected.count)
        #expect(retry.operations == expected.operations)
    }

    @Test func aLogThatIsAppliedTwiceChangesNothingMore() throws {
        let folder = TemporaryFolder()
        let store = try folder.open()
        try store.apply { log in
            log.putSession(StoredSession(number: 3, clientIdentifier: [65], version: 5, expiryInterval: 1))
            for sequence: UInt64 in 1...9 { log.put(3, .plain(sequence, bytes: 10)) }
        }
        var log = ChangeLog()
        let message = Message("shared", [1, 2, 3])
        let shared = Entry(sequence: 20, head: EntryHead(qos: 1), identifiers: [], message: message)
        log.putMessage(9, references: 2, message)
        log.put(3, shared, shared: 9)
        log.put(4, shared, shared: 9)
        log.put(3, .plain(21, bytes: 9000))
        log.put(3, .plain(22, bytes: 30))
        log.removeEntry(3, 2)
        log.removeEntry(4, 20)
        log.assign(3, 22, packetIdentifier: 5, stage: 1, flags: 0)
        for _ in 0..<2 {
            var copy = log
            try store.commit(&copy)
        }
        #expect(try store.queue(3).map(\.sequence) == [1, 3, 4, 5, 6, 7, 8, 9, 20, 21, 22])
        let bytes = UInt64(8 * 10 + message.bytes.count + 9030)
        #expect(
            try store.backlogs() == [
                Backlog(session: 3, messages: 11, bytes: bytes, firstSequence: 1, lastSequence: 22)
            ])
        try store.apply { $0.removeEntries(3, through: 21) }
        store.close()
        #expect(try count(folder, "message") == 0)
        #expect(try count(folder, "reference") == 0)
    }

    @Test func aFullStoreHandsEverythingBackAndTakesTheRest() throws {
        let folder = TemporaryFolder()
        let store = try folder.open(maximumBytes: 1 << 20)
        var next: UInt64 = 1
        var stored: UInt64 = 0
        var lastNumber: UInt64 = 0
        /// A log of 50 entries of 1,000 bytes, and a received identifier.
        func submit() {
            var log = ChangeLog()
            for _ in 0..<50 {
                log.put(3, .plain(next, bytes: 1000))
                next += 1
            }
            log.putReceived(3, UInt16(next))
            lastNumber = store.submit(&log)
        }
        var failure: (transaction: UInt64, log: ChangeLog, StoreFailure)?
        var isLow = false
        func look(_ event: StoreEvent) {
            switch event {
            case .committed(let through, _): stored = through
            case .failed(let transaction, let log, let why): failure = (transaction, log, why)
            case .space(let low): isLow = low
            default: break
            }
        }
        while failure == nil {
            submit()
            submit()
            _ = try store.event { event in
                look(event)
                return failure != nil || stored == lastNumber ? true : nil
            }
        }
        let failed = try #require(failure)
        #expect(failed.2 == .full)
        #expect(failed.transaction == lastNumber, "what waits behind it fails with it")
        #expect(stored < lastNumber)
        #expect(!store.isBusy)
        #expect(try store.queue(3).count == Int(stored) * 50, "nothing of it is stored")

        var (retry, dropped) = failed.log.withoutMessages()
        #expect(dropped.count == Int(lastNumber - stored) * 50)
        try store.commit(&retry)
        #expect(try store.received().count == Int(lastNumber))
        #expect(try store.queue(3).count == Int(stored) * 50)
        for event in store.receive() { look(event) }
        #expect(isLow)

        var removal = ChangeLog()
        removal.removeEntries(3, through: 400)
        store.submit(&removal)
        while isLow {
            _ = try store.event { event in
                look(event)
                return true
            }
        }
        try store.apply { $0.put(3, .plain(next, bytes: 1000)) }
        #expect(try store.queue(3).last?.sequence == next)
    }

    @Test func closingStoresWhatWasSubmitted() throws {
        let folder = TemporaryFolder()
        var store = try folder.open()
        var log = ChangeLog()
        for sequence: UInt64 in 1...100 {
            log.put(3, .plain(sequence))
            store.submit(&log)
        }
        store.close()
        #expect(folder.names() == ["apus.db", "apus.db.lock"], "the write-ahead log was moved into the file")
        store = try folder.open()
        #expect(try store.queue(3).count == 100)
    }

    @Test func shortSpaceIsReported() throws {
        let folder = TemporaryFolder()
        let store = try Store.open(folder: folder.path, mode: .none, minimumFree: 1 << 62)
        let isLow: Bool = try store.event { event in
            guard case .space(let isLow) = event else { return nil }
            return isLow
        }
        #expect(isLow)
    }
}

extension ChangeLog {
    /// Every change in words, to be compared.
    var operations: [String] {
        var texts: [String] = []
        var offset = 0
        while offset < bytes.count {
            let operation = operation(at: offset)
            let start = offset + Operation.size
            offset = start + Int(operation.byteCount)
            texts.append("\(operation) \(bytes[start..<offset])")
        }
        return texts
    }
}
