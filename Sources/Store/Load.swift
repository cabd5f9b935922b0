// What the router loads at start, row by row, on a connection of its own and before it submits anything. Each throws
// `StoreError.damaged` where a row is not what was written, which `open` has looked for before.

extension Store {
    /// Calls `body` with every session, by their numbers.
    package func forEachSession(_ body: (StoredSession) -> Void) throws(StoreError) {
        try load { connection throws(SQLiteFailure) in try Loading.sessions(connection, body) }
    }

    /// Calls `body` with every subscription.
    package func forEachSubscription(_ body: (StoredSubscription) -> Void) throws(StoreError) {
        try load { connection throws(SQLiteFailure) in try Loading.subscriptions(connection, body) }
    }

    /// Calls `body` with every packet identifier of a QoS 2 message that is not yet released.
    package func forEachReceived(_ body: (StoredReceived) -> Void) throws(StoreError) {
        try load { connection throws(SQLiteFailure) in try Loading.received(connection, body) }
    }

    /// Calls `body` with every listener's mark.
    package func forEachMark(_ body: (StoredMark) -> Void) throws(StoreError) {
        try load { connection throws(SQLiteFailure) in try Loading.marks(connection, body) }
    }

    /// What lies in the queues that are not empty; no row of them is counted for it.
    package func backlogs() throws(StoreError) -> [Backlog] {
        try load { connection throws(SQLiteFailure) in try Loading.backlogs(connection) }
    }

    private func load<Result>(_ body: (Connection) throws(SQLiteFailure) -> Result) throws(StoreError) -> Result {
        do throws(SQLiteFailure) {
            return try body(Connection(state.paths.file, .read))
        } catch {
            guard error.isDamage else { throw Self.unusable(state.paths, error) }
            state.paths.markDamaged()
            throw .damaged(error.description)
        }
    }
}

enum Loading {
    static func sessions(_ connection: Connection, _ body: (StoredSession) -> Void) throws(SQLiteFailure) {
        let statement = try Statement(connection, "SELECT \(Columns.session) FROM session ORDER BY number")
        while try statement.step() {
            guard let row = StoredSession(statement) else { throw .falseRow("session") }
            body(row)
        }
    }

    static func subscriptions(_ connection: Connection, _ body: (StoredSubscription) -> Void) throws(SQLiteFailure) {
        let statement = try Statement(connection, "SELECT \(Columns.subscription) FROM subscription ORDER BY id")
        while try statement.step() {
            guard let row = StoredSubscription(statement) else { throw .falseRow("subscription") }
            body(row)
        }
    }

    static func received(_ connection: Connection, _ body: (StoredReceived) -> Void) throws(SQLiteFailure) {
        let statement = try Statement(connection, "SELECT \(Columns.received) FROM received ORDER BY key")
        while try statement.step() {
            guard let row = StoredReceived(statement) else { throw .falseRow("received") }
            body(row)
        }
    }

    static func marks(_ connection: Connection, _ body: (StoredMark) -> Void) throws(SQLiteFailure) {
        let statement = try Statement(connection, "SELECT \(Columns.mark) FROM mark ORDER BY place")
        while try statement.step() {
            guard let row = StoredMark(statement) else { throw .falseRow("mark") }
            body(row)
        }
    }

    static func backlogs(_ connection: Connection) throws(SQLiteFailure) -> [Backlog] {
        let statement = try Statement(
            connection,
            """
            SELECT session, messages, bytes,
                (SELECT min(key) FROM queue WHERE key BETWEEN session << 40 AND (session << 40) + 1099511627775),
                (SELECT max(key) FROM queue WHERE key BETWEEN session << 40 AND (session << 40) + 1099511627775)
            FROM backlog WHERE messages > 0 OR bytes > 0 ORDER BY session
            """)
        var backlogs: [Backlog] = []
        while try statement.step() {
            let session = statement.integer(0)
            let messages = statement.integer(1)
            let bytes = statement.integer(2)
            let isSound = messages > 0 && bytes >= 0 && session >= 0 && session < Int64(QueueKey.sessions)
            guard isSound, !statement.isNull(3) else { throw .falseRow("backlog") }
            backlogs.append(
                Backlog(
                    session: UInt32(session), messages: UInt64(messages), bytes: UInt64(bytes),
                    firstSequence: QueueKey.sequence(statement.integer(3)),
                    lastSequence: QueueKey.sequence(statement.integer(4))))
        }
        return backlogs
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
