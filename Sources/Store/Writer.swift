// The thread that writes: each turn it takes what was submitted, stores it in one transaction, tells the router, and
// then moves the write-ahead log into the file where that has grown. A failure ends the transaction, hands everything
// back and opens the connection anew: what the kernel says after a failed sync is not believed.

internal import CSQLite
internal import EventLoop
internal import Glibc
internal import Synchronization

final class Writer {
    /// Pages of the write-ahead log after which it is moved into the file (4 MiB), and after which readers are waited
    /// for, so that it starts again from its beginning (64 MiB).
    static var checkpointPages: Int32 { 1024 }
    static var longestLogPages: Int32 { 16 * checkpointPages }
    /// Bytes of submitted logs that one transaction joins.
    private static var joinedBytes: Int { 32 << 20 }
    /// Milliseconds between attempts while the store fails, and between looks at the space while it is short.
    private static var patience: Int32 { 1000 }
    /// Logs whose memory is kept for the router, and the longest that is.
    private static var spareLogs: Int { 4 }
    private static var longestSpare: Int { 1 << 20 }

    private let state: StoreState
    private var applier: Applier?
    private var room: Room
    /// Transactions that failed in a row.
    private var failures = 0

    init(_ state: StoreState) {
        self.state = state
        room = Room(state)
    }

    func run() {
        checkRoom(isFull: false)
        while true {
            let (batch, isClosing) = take()
            if !batch.isEmpty {
                write(batch)
            } else if isClosing {
                break
            } else {
                state.writerWakeup.wait(milliseconds: room.isLow ? Self.patience : -1)
                if room.isLow { checkRoom(isFull: false) }
            }
        }
        if state.shared.withLock({ $0.isFollowed }) {
            applier?.connection.keepLog()
        } else {
            // What can not be moved into the file now stays in the log beside it, and is found at the next start.
            try? applier?.connection.checkpoint(SQLITE_CHECKPOINT_TRUNCATE)
        }
        applier = nil
    }

    /// What waits, unless a failure has not been received yet.
    private func take() -> (batch: [Submission], isClosing: Bool) {
        state.shared.withLock { shared in
            var batch: [Submission] = []
            if shared.failure == nil {
                var bytes = 0
                let end = shared.waiting.firstIndex { submission in
                    defer { bytes += submission.log.byteCount }
                    return bytes >= Self.joinedBytes
                }
                batch = Array(shared.waiting[..<(end ?? shared.waiting.count)])
                shared.waiting.removeFirst(batch.count)
            }
            shared.isWriterAsleep = batch.isEmpty
            return (batch, shared.isClosing)
        }
    }

    private func write(_ batch: [Submission]) {
        // The first retry has fewer changes and may well succeed; after that it needs time.
        if failures > 1 { state.writerWakeup.wait(milliseconds: Self.patience) }
        do throws(SQLiteFailure) {
            let trimmed = try store(batch)
            failures = 0
            succeed(batch, trimmed)
            checkRoom(isFull: false)
        } catch {
            return fail(batch, error)
        }
        do throws(SQLiteFailure) {
            try checkpoint()
        } catch {
            // Everything stays in the write-ahead log, so no transaction fails by this.
            recover(error)
        }
    }

    private func store(_ batch: [Submission]) throws(SQLiteFailure) -> [Trimmed] {
        let applier = try openedApplier()
        try applier.connection.execute("BEGIN IMMEDIATE")
        applier.begin()
        for submission in batch { try applier.apply(submission.log) }
        try applier.finish()
        try applier.connection.execute("COMMIT")
        return applier.trimmed
    }

    private func succeed(_ batch: [Submission], _ trimmed: [Trimmed]) {
        var batch = batch
        state.shared.withLock { shared in
            shared.events.append(.committed(through: batch[batch.count - 1].number, trimmed: trimmed))
            for index in batch.indices {
                shared.pendingBytes -= batch[index].log.byteCount
                let isUseful = batch[index].log.capacity <= Self.longestSpare && shared.spare.count < Self.spareLogs
                guard isUseful else { continue }
                var log = ChangeLog()
                swap(&log, &batch[index].log)
                log.clear()
                shared.spare.append(log)
            }
        }
        state.news.raise()
    }

    private func fail(_ batch: [Submission], _ failure: SQLiteFailure) {
        failures += 1
        recover(failure)
        state.shared.withLock { shared in
            shared.failed = batch
            shared.failure = failure.isFull ? .full : .io(failure.description)
        }
        state.news.raise()
    }

    /// What a failure asks for beside the transaction's end.
    private func recover(_ failure: SQLiteFailure) {
        if failure.isDamage { state.reportDamage(failure) }
        if failure.isFull { checkRoom(isFull: true) }
        if failure.isFull, let connection = applier?.connection {
            // SQLite may have ended it already.
            if !connection.isInTransaction { return }
            if (try? connection.execute("ROLLBACK")) != nil { return }
        }
        applier = nil
    }

    private func openedApplier() throws(SQLiteFailure) -> Applier {
        if let applier { return applier }
        let connection = try Connection(state.paths.file, .write)
        try connection.configure(state.mode, maximumBytes: state.maximumBytes)
        connection.countLogPages()
        let opened = try Applier(connection)
        applier = opened
        return opened
    }

    private func checkpoint() throws(SQLiteFailure) {
        guard let connection = applier?.connection, connection.pagesInLog >= Self.checkpointPages else { return }
        let isLong = connection.pagesInLog >= Self.longestLogPages
        try connection.checkpoint(isLong ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE)
    }

    private func checkRoom(isFull: Bool) {
        if let isLow = room.check(applier?.connection, isFull: isFull) { state.report([.space(isLow: isLow)]) }
    }
}

extension Connection {
    /// What a connection that writes is set to.
    func configure(_ mode: StoreMode, maximumBytes: UInt64) throws(SQLiteFailure) {
        try execute("PRAGMA journal_mode = WAL")
        try execute("PRAGMA synchronous = \(mode == .none ? "OFF" : "FULL")")
        try execute("PRAGMA wal_autocheckpoint = 0")
        // After a long transaction the log's file shrinks to this again.
        try execute("PRAGMA journal_size_limit = \(Int64(Writer.longestLogPages) * Self.pageSize)")
        // What was deleted need not be overwritten: it was readable before.
        try execute("PRAGMA secure_delete = OFF")
        try execute("PRAGMA cache_size = -8192")
        if maximumBytes > 0 {
            try execute("PRAGMA max_page_count = \(max(Int64(clamping: maximumBytes) / Self.pageSize, 1))")
        }
    }

    /// SQLite's own; it is set where a store is made.
    static var pageSize: Int64 { 4096 }
}
