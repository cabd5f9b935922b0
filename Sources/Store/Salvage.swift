// Reading what can be read of a damaged store. Each table is read by its keys from both ends up to the pages that can
// not be read, and between those from keys in the middle; a row counts only if its checksum says that it is what was
// written. Called by SetAside.swift with the new store's connection, inside its first transaction.

final class Salvage {
    private let target: Connection
    private let path: String
    private var source: Connection?
    private var recovered = Recovered()
    /// Seeks into the middle of unreadable ranges that a table may cost.
    private static var seeks: Int { 1000 }

    init(_ path: String, into target: Connection) {
        self.path = path
        self.target = target
    }

    /// - Throws: only where the new store can not be written.
    func run() throws(SQLiteFailure) -> Recovered {
        try open()
        guard source != nil else { return recovered }
        try copyClock()
        recovered.sessions = try copy("session", Columns.session, former: Columns.formerSession) {
            StoredSession($0) != nil
        }
        recovered.subscriptions = try copy("subscription", Columns.subscription) { StoredSubscription($0) != nil }
        recovered.received = try copy("received", Columns.received) { StoredReceived($0) != nil }
        _ = try copy("mark", Columns.mark) { StoredMark($0) != nil }
        _ = try copy("seen", Columns.seen) { StoredSeen($0) != nil }
        recovered.retained = try copy("retained", Columns.retained, former: Columns.formerRetained) { row in
            var page = RetainedPage()
            return page.append(row)
        }
        _ = try copy("message", Columns.message) { row in
            var page = QueuePage(session: 0)
            return page.appendMessage(row)
        }
        recovered.entries = try copy("queue", Columns.queue) { row in
            var page = QueuePage(session: 0)
            return page.append(row) != nil
        }
        try makeConsistent()
        return recovered
    }

    /// With the write-ahead log if that can be read, else without.
    private func open() throws(SQLiteFailure) {
        for access in [Connection.Access.read, .readFileOnly] {
            guard let connection = try? Connection(path, access) else { continue }
            // Tolerates a schema and a length that do not fit, and looks closely at what lies in a page.
            _ = try? connection.execute("PRAGMA writable_schema = ON")
            _ = try? connection.execute("PRAGMA cell_size_check = ON")
            if (try? connection.integer("SELECT count(*) FROM sqlite_schema")) != nil {
                source = connection
                return
            }
        }
    }

    private func copyClock() throws(SQLiteFailure) {
        guard let source, let found = try? ClockMark.load(source) else { return }
        var log = ChangeLog()
        log.putClock(found)
        try Applier(target).apply(log)
    }

    // MARK: Tables

    /// A range of keys that has not been read, both ends excluded.
    private struct Gap {
        var low: Int64
        var high: Int64
    }

    /// - Parameter former: what stands for the columns where a table of an older version does not have all.
    /// - Returns: how many rows were copied.
    private func copy(
        _ table: String, _ columns: String, former: String? = nil, isTrue: (Statement) -> Bool
    ) throws(SQLiteFailure) -> Int {
        let key = columns.prefix { $0 != "," }
        let width = Int32(columns.split(separator: ",").count)
        func range(_ columns: String) -> String {
            "SELECT \(columns) FROM \(table) NOT INDEXED WHERE \(key) > ?1 AND \(key) < ?2 ORDER BY \(key)"
        }
        // Where the table can not even be named, nothing of it can be read.
        let selections = [columns, former].compactMap { $0 }
        guard let source,
            let selection = selections.first(where: { (try? Statement(source, range($0))) != nil }),
            let ascending = try? Statement(source, range(selection)),
            let descending = try? Statement(source, range(selection) + " DESC")
        else { return 0 }
        let places = Array(repeating: "?", count: Int(width)).joined(separator: ",")
        let insert = try Statement(target, "INSERT OR IGNORE INTO \(table) (\(columns)) VALUES (\(places))")

        var copied = 0
        /// Copies rows until the end of the gap or a page that can not be read.
        /// - Returns: the last key that was read, `nil`: to the end.
        func read(_ statement: Statement, _ gap: Gap, isAscending: Bool) throws(SQLiteFailure) -> Int64? {
            defer { statement.reset() }
            var last = isAscending ? gap.low : gap.high
            statement.bind(1, gap.low)
            statement.bind(2, gap.high)
            while true {
                guard let hasRow = try? statement.step() else { return last }
                guard hasRow else { return nil }
                let found = statement.integer(0)
                // The key of a row that is not what was written says nothing about where the scan is.
                guard isTrue(statement) else {
                    recovered.discarded += 1
                    continue
                }
                // True keys that do not rise (or fall) were met before: a page leads back.
                guard isAscending ? found > last : found < last, found > gap.low, found < gap.high else { return last }
                last = found
                for column in 0..<width { insert.bind(column + 1, column: column, of: statement) }
                try insert.run()
                copied += Int(target.changes)
            }
        }

        var gaps = [Gap(low: .min, high: .max)]
        var seeks = Self.seeks
        while let gap = gaps.popLast() {
            guard let low = try read(ascending, gap, isAscending: true) else { continue }
            guard let high = try read(descending, Gap(low: low, high: gap.high), isAscending: false) else { continue }
            seeks -= 1
            let (distance, overflow) = high.subtractingReportingOverflow(low)
            guard seeks > 0, overflow || distance > 2 else { continue }
            let middle = overflow ? low / 2 + high / 2 : low + distance / 2
            gaps.append(Gap(low: low, high: middle))
            gaps.append(Gap(low: middle - 1, high: high))
        }
        return copied
    }

    // MARK: What belongs together

    /// Drops what belongs to something that is gone, and counts anew what was counted.
    private func makeConsistent() throws(SQLiteFailure) {
        recovered.subscriptions -= try discard("subscription WHERE session NOT IN (SELECT number FROM session)")
        recovered.received -= try discard("received WHERE key >> 16 NOT IN (SELECT number FROM session)")
        recovered.entries -= try discard("queue WHERE key >> 40 NOT IN (SELECT number FROM session)")
        recovered.entries -= try discard("queue WHERE message != 0 AND message NOT IN (SELECT id FROM message)")
        try target.execute(
            """
            INSERT INTO reference SELECT message, count(*) FROM queue WHERE message != 0 GROUP BY message;
            DELETE FROM message WHERE id NOT IN (SELECT message FROM reference);
            INSERT INTO backlog SELECT key >> 40, count(*), sum(size) FROM queue GROUP BY key >> 40;
            """)
    }

    private func discard(_ rows: String) throws(SQLiteFailure) -> Int {
        try target.execute("DELETE FROM \(rows)")
        recovered.discarded += Int(target.changes)
        return Int(target.changes)
    }
}
