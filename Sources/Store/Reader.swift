// The thread that reads pages for the router, on a connection of its own: it sees what is committed, and waits for no
// sync. A row that is not what was written is reported as damage, and answers nothing.

internal import EventLoop
internal import Synchronization

final class Reader {
    private let state: StoreState
    private var statements: Statements?

    /// Of one connection.
    private struct Statements {
        let page, message, retained: Statement

        init(_ connection: Connection) throws(SQLiteFailure) {
            try connection.execute("PRAGMA cache_size = -4096")
            page = try Statement(
                connection, "SELECT \(Columns.queue) FROM queue WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT ?3")
            message = try Statement(connection, "SELECT \(Columns.message) FROM message WHERE id = ?")
            retained = try Statement(
                connection, "SELECT \(Columns.retained) FROM retained WHERE id > ?1 ORDER BY id LIMIT ?2")
        }
    }

    init(_ state: StoreState) { self.state = state }

    func run() {
        while true {
            let (requests, isClosing) = state.shared.withLock { shared in
                defer { shared.requests = [] }
                shared.isReaderAsleep = shared.requests.isEmpty
                return (shared.requests, shared.isClosing)
            }
            if isClosing { return }
            if requests.isEmpty { state.readerWakeup.wait(milliseconds: -1) }
            for request in requests { answer(request) }
        }
    }

    private func answer(_ request: ReadRequest) {
        do throws(SQLiteFailure) {
            let statements = try opened()
            switch request {
            case .page(let session, let sequence, let messages, let bytes):
                let page = try Self.page(statements, session, sequence, messages, bytes)
                state.report([.page(page)])
            case .retained(let cursor, let rows):
                state.report([.retained(try Self.retained(statements, cursor, rows))])
            }
        } catch {
            statements = nil
            if error.isDamage { return state.reportDamage(error) }
            again(request)
        }
    }

    /// What failed for another reason than damage is tried again, a little later.
    private func again(_ request: ReadRequest) {
        state.readerWakeup.wait(milliseconds: 100)
        state.shared.withLock { $0.requests.insert(request, at: 0) }
    }

    private func opened() throws(SQLiteFailure) -> Statements {
        if let statements { return statements }
        let opened = try Statements(Connection(state.paths.file, .read))
        statements = opened
        return opened
    }

    private static func page(
        _ statements: Statements, _ session: UInt32, _ sequence: UInt64, _ messages: Int, _ bytes: Int
    ) throws(SQLiteFailure) -> QueuePage {
        let statement = statements.page
        defer { statement.reset() }
        var page = QueuePage(session: session)
        var total = 0
        statement.bind(1, QueueKey.make(session, sequence) + 1)
        statement.bind(2, QueueKey.make(session, .max))
        // One more than is wanted says whether there are more.
        statement.bind(3, Int64(messages) + 1)
        while try statement.step() {
            // The size that the row names; its bytes may lie elsewhere.
            let size = Int(truncatingIfNeeded: statement.integer(3))
            if page.rows.count == messages || (!page.rows.isEmpty && total + size > bytes) { return page }
            total += size
            guard let message = page.append(statement) else { throw .falseRow("queue") }
            guard message != 0 else { continue }
            statements.message.bind(1, message)
            defer { statements.message.reset() }
            guard try statements.message.step(), page.appendMessage(statements.message) else {
                throw .falseRow("message")
            }
        }
        page.isEnd = true
        return page
    }

    private static func retained(
        _ statements: Statements, _ cursor: UInt64, _ rows: Int
    ) throws(SQLiteFailure) -> RetainedPage {
        let statement = statements.retained
        defer { statement.reset() }
        var page = RetainedPage()
        page.next = cursor
        statement.bind(1, cursor)
        statement.bind(2, Int64(rows) + 1)
        while try statement.step() {
            if page.rows.count == rows { return page }
            guard page.append(statement) else { throw .falseRow("retained") }
        }
        page.isLast = true
        return page
    }
}
