// What the router takes over: at start, and later of sessions whose clients were away. Row by row with a connection of the
// router's own thread.

/// Sessions with all that belongs to them but their messages.
package struct StoredSessions: Equatable, Sendable {
    /// By their numbers.
    package internal(set) var sessions: [StoredSession] = []
    package internal(set) var subscriptions: [StoredSubscription] = []
    /// Packet identifiers of QoS 2 messages that are not yet released.
    package internal(set) var received: [StoredReceived] = []
    /// What lies in the queues that are not empty; no row of them is counted for it.
    package internal(set) var backlogs: [Backlog] = []

    /// Removes what is not of certain sessions.
    package mutating func keep(_ isWanted: (UInt32) -> Bool) {
        sessions.removeAll { !isWanted($0.number) }
        subscriptions.removeAll { !isWanted($0.session) }
        received.removeAll { !isWanted($0.session) }
        backlogs.removeAll { !isWanted($0.session) }
    }
}

/// What a store has when it is opened.
package struct StoreContents: Sendable {
    /// All sessions; or those alone that were connected or share a subscription, if the others are far more.
    package internal(set) var loaded = StoredSessions()
    /// How many sessions there are beside.
    package internal(set) var asleep = 0
    /// The highest number of a session; -1: there is none.
    package internal(set) var highestNumber = -1
    /// Every listener's mark.
    package internal(set) var marks: [StoredMark] = []
    /// What has come from other brokers of a cluster.
    package internal(set) var seen: [StoredSeen] = []
}

extension Store {
    /// The sessions with these numbers, as they are on the disk.
    /// - Throws: `damaged` where a row is not what was written; the next `open` sets the store aside.
    package func sessions(_ numbers: ClosedRange<UInt32>) throws(StoreError) -> StoredSessions {
        try sessions(.numbers(numbers))
    }

    func sessions(_ scope: Loader.Scope) throws(StoreError) -> StoredSessions {
        try load { loader throws(SQLiteFailure) in try loader.sessions(scope) }
    }

    /// The number of a client's session; nil where it has none.
    package func session(ofClient identifier: [UInt8]) throws(StoreError) -> UInt32? {
        try load { loader throws(SQLiteFailure) in try loader.session(ofClient: identifier) }
    }

    /// The numbers of the sessions with a subscription that matches a topic, shared ones left out. It costs a look at an
    /// index or two for each level of each filter that might match.
    package func sessions(matching topic: Span<UInt8>) throws(StoreError) -> [UInt32] {
        let topic = (0..<topic.count).map { topic[$0] }
        return try load { loader throws(SQLiteFailure) in try loader.sessions(matching: topic) }
    }

    /// From now on questions are answered with what is on the disk now, and not when the first of them was asked. To be
    /// called every now and then while there are questions.
    package func renewAnswers() throws(StoreError) {
        try load { loader throws(SQLiteFailure) in try loader.renew() }
    }

    /// Gives back what the questions above need.
    package func endLoading() { loader = nil }

    private func load<Result>(_ body: (Loader) throws(SQLiteFailure) -> Result) throws(StoreError) -> Result {
        do throws(SQLiteFailure) {
            if loader == nil { loader = try Loader(Connection(state.paths.file, .read)) }
            return try body(loader!)
        } catch {
            guard error.isDamage else { throw Self.unusable(state.paths, error) }
            state.paths.markDamaged()
            throw .damaged(error.description)
        }
    }
}

/// Questions to a store, and the statements for them.
final class Loader {
    /// Of which sessions.
    enum Scope {
        case all
        case numbers(ClosedRange<UInt32>)
    }

    private let connection: Connection
    private var statements: [String: Statement] = [:]

    /// Many questions are asked in one transaction: the locks for one each would cost more than its answer.
    init(_ connection: Connection) throws(SQLiteFailure) {
        self.connection = connection
        try connection.execute("BEGIN")
    }

    /// Ends the transaction and begins the next: the write-ahead log can not begin anew while there is one.
    func renew() throws(SQLiteFailure) { try connection.execute("COMMIT; BEGIN") }

    /// What the router begins with.
    /// - Parameter leaving: sessions of clients that are away are left for later if they are so many, and far more than the
    ///   others.
    func contents(leaving least: Int) throws(SQLiteFailure) -> StoreContents {
        var contents = StoreContents()
        let count = Int(try connection.integer("SELECT count(*) FROM session"))
        let connected = Int(try connection.integer("SELECT count(*) FROM session WHERE expires_at = 0"))
        // A selection may cost three times as much a session.
        let isSelective = count - connected >= max(least, 2 * connected)
        contents.loaded = isSelective ? try sessions(ofAll: numbersInUse()) : try sessions(.all)
        contents.asleep = count - contents.loaded.sessions.count
        if count > 0 { contents.highestNumber = Int(try connection.integer("SELECT max(number) FROM session")) }
        contents.marks = try marks()
        contents.seen = try seen()
        return contents
    }

    /// The numbers of the sessions that were connected, and of those with a shared subscription, which has a say in who else
    /// gets a message. In order.
    private func numbersInUse() throws(SQLiteFailure) -> [UInt32] {
        let statement = try Statement(
            connection,
            """
            SELECT number FROM session WHERE expires_at = 0
                UNION SELECT session FROM subscription WHERE filter >= '$share/' AND filter < '$share0' ORDER BY 1
            """)
        var numbers: [UInt32] = []
        while try statement.step() { numbers.append(UInt32(truncatingIfNeeded: statement.integer(0))) }
        return numbers
    }

    /// Sessions by ascending numbers. What lies close together is read at once: a search for each would cost more.
    private func sessions(ofAll numbers: [UInt32]) throws(SQLiteFailure) -> StoredSessions {
        var found = StoredSessions()
        var start = 0
        for index in numbers.indices
        where index + 1 == numbers.count || numbers[index + 1] - numbers[index] > Self.closeNumbers {
            try add(.numbers(numbers[start]...numbers[index]), to: &found)
            start = index + 1
        }
        if found.sessions.count > numbers.count {
            let wanted = Set(numbers)
            found.keep { wanted.contains($0) }
        }
        return found
    }

    /// Numbers between two sessions that are read with them.
    private static var closeNumbers: UInt32 { 16 }

    func sessions(_ scope: Scope) throws(SQLiteFailure) -> StoredSessions {
        var found = StoredSessions()
        try add(scope, to: &found)
        return found
    }

    private func add(_ scope: Scope, to found: inout StoredSessions) throws(SQLiteFailure) {
        try rows("\(Columns.session) FROM session", "number", scope) { row throws(SQLiteFailure) in
            guard let session = StoredSession(row) else { throw .falseRow("session") }
            found.sessions.append(session)
        }
        try rows("\(Columns.subscription) FROM subscription", "session", scope) { row throws(SQLiteFailure) in
            guard let subscription = StoredSubscription(row) else { throw .falseRow("subscription") }
            found.subscriptions.append(subscription)
        }
        try received(scope, &found)
        try rows(Self.backlog, "session", scope, also: "(messages <> 0 OR bytes <> 0)") { row throws(SQLiteFailure) in
            guard let backlog = Backlog(row) else { throw .falseRow("backlog") }
            found.backlogs.append(backlog)
        }
    }

    private static let backlog = """
        session, messages, bytes,
            (SELECT min(key) FROM queue WHERE key BETWEEN session << 40 AND (session << 40) + 1099511627775),
            (SELECT max(key) FROM queue WHERE key BETWEEN session << 40 AND (session << 40) + 1099511627775)
        FROM backlog
        """

    /// Calls `body` with every row of a table that belongs to a session.
    /// - Parameters:
    ///   - number: the column with the session's number.
    ///   - also: what else is to hold for a row.
    private func rows(
        _ columns: String, _ number: String, _ scope: Scope, also condition: String = "true",
        _ body: (Statement) throws(SQLiteFailure) -> Void
    ) throws(SQLiteFailure) {
        let which =
            switch scope {
            case .all: "true"
            case .numbers: "\(number) BETWEEN ?1 AND ?2"
            }
        let statement = try prepared("SELECT \(columns) WHERE \(which) AND \(condition)")
        if case .numbers(let numbers) = scope {
            statement.bind(1, Int64(numbers.lowerBound))
            statement.bind(2, Int64(numbers.upperBound))
        }
        defer { statement.reset() }
        while try statement.step() { try body(statement) }
    }

    /// They lie by their sessions.
    private func received(_ scope: Scope, _ found: inout StoredSessions) throws(SQLiteFailure) {
        var numbers: ClosedRange<Int64> = 0...Int64.max >> 16
        if case .numbers(let range) = scope { numbers = Int64(range.lowerBound)...Int64(range.upperBound) }
        let statement = try prepared(
            "SELECT \(Columns.received) FROM received WHERE key BETWEEN ?1 AND ?2 ORDER BY key")
        statement.bind(1, numbers.lowerBound << 16)
        statement.bind(2, numbers.upperBound << 16 | 0xFFFF)
        defer { statement.reset() }
        while try statement.step() {
            guard let row = StoredReceived(statement) else { throw .falseRow("received") }
            found.received.append(row)
        }
    }

    private func marks() throws(SQLiteFailure) -> [StoredMark] {
        let statement = try Statement(connection, "SELECT \(Columns.mark) FROM mark ORDER BY place")
        var marks: [StoredMark] = []
        while try statement.step() {
            guard let row = StoredMark(statement) else { throw .falseRow("mark") }
            marks.append(row)
        }
        return marks
    }

    private func seen() throws(SQLiteFailure) -> [StoredSeen] {
        let statement = try Statement(connection, "SELECT \(Columns.seen) FROM seen ORDER BY id")
        var rows: [StoredSeen] = []
        while try statement.step() {
            guard let row = StoredSeen(statement) else { throw .falseRow("seen") }
            rows.append(row)
        }
        return rows
    }

    func session(ofClient identifier: [UInt8]) throws(SQLiteFailure) -> UInt32? {
        try first("SELECT number FROM session WHERE client = ?1", identifier) {
            UInt32(truncatingIfNeeded: $0.integer(0))
        }
    }

    /// Calls a statement with one text.
    func first<Value>(
        _ sql: String, _ text: [UInt8], _ value: (Statement) -> Value
    ) throws(SQLiteFailure) -> Value? {
        var found: Value?
        try each(sql, text) {
            found = value($0)
            return false
        }
        return found
    }

    /// Calls `body` with the rows of a statement with one text, until it says no.
    func each(_ sql: String, _ text: [UInt8], _ body: (Statement) -> Bool) throws(SQLiteFailure) {
        let statement = try prepared(sql)
        let failure = unsafe text.withUnsafeBytes { bytes -> SQLiteFailure? in
            // Until the statement is reset, which is before the bytes go.
            unsafe statement.bind(1, text: bytes)
            defer { statement.reset() }
            do throws(SQLiteFailure) {
                while try statement.step(), body(statement) {}
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    private func prepared(_ sql: String) throws(SQLiteFailure) -> Statement {
        if let statement = statements[sql] { return statement }
        let statement = try Statement(connection, sql)
        statements[sql] = statement
        return statement
    }
}

extension Backlog {
    /// `nil`: the row is not what was written.
    init?(_ row: Statement) {
        let (session, messages, bytes) = (row.integer(0), row.integer(1), row.integer(2))
        guard messages >= 0, bytes >= 0, session >= 0, session < Int64(QueueKey.sessions),
            messages > 0, !row.isNull(3)
        else { return nil }
        self.init(
            session: UInt32(session), messages: UInt64(messages), bytes: UInt64(bytes),
            firstSequence: QueueKey.sequence(row.integer(3)), lastSequence: QueueKey.sequence(row.integer(4)))
    }
}

extension ClockMark {
    /// `nil` where none was written yet.
    static func load(_ connection: Connection) throws(SQLiteFailure) -> ClockMark? {
        let statement = try Statement(
            connection, "SELECT store_seconds, wall_seconds, boot_id, boot_seconds FROM clock")
        guard try statement.step() else { return nil }
        let mark = ClockMark(
            storeSeconds: statement.unsigned(0), wallSeconds: statement.unsigned(1),
            bootIdentifier: statement.octets(2), bootSeconds: statement.unsigned(3))
        // Tens of thousands of years: not written by this clock.
        let limit: UInt64 = 1 << 40
        guard mark.storeSeconds < limit, mark.wallSeconds < limit, mark.bootSeconds < limit else {
            throw .falseRow("clock")
        }
        return mark
    }
}
