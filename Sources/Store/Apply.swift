// Changes become rows. Runs on the writer thread, inside a transaction that Writer.swift opens and ends; what fails here
// fails the transaction. Queue entries are in ApplyEntries.swift.

/// The statements of a connection that writes, and what a transaction adds up before it ends.
@safe
final class Applier {
    /// The difference that a transaction makes to a session's backlog.
    struct Difference {
        var messages: Int64 = 0
        var bytes: Int64 = 0
    }

    let connection: Connection
    let insertEntry, updateEntry, selectEntries, selectStates, deleteEntries: Statement
    let insertMessage, deleteMessage, putReference, subtractReferences, deleteUnreferenced, deleteReference: Statement
    private let putSession, deleteSession, putSubscription, deleteSubscription, deleteSubscriptions: Statement
    private let putReceived, deleteReceived: Statement
    private let putRetained, deleteRetained, addBacklog, deleteBacklog, putClock, putMark: Statement
    private let putSeen, deleteSeen: Statement

    /// By session; the one that came last apart, because entries of one session often follow each other.
    private var differences: [UInt32: Difference] = [:]
    private var lastSession: UInt32 = .max
    private var lastDifference = Difference()
    /// Entries gone by the message that they named.
    var dereferenced: [Int64: Int64] = [:]
    private(set) var trimmed: [Trimmed] = []

    init(_ connection: Connection) throws(SQLiteFailure) {
        self.connection = connection
        insertEntry = try Statement(
            connection, "INSERT OR IGNORE INTO queue (\(Columns.queue)) VALUES (?,?,?,?,?,?,?,?,?,?,?)")
        updateEntry = try Statement(connection, "UPDATE queue SET state = ?2 WHERE key = ?1")
        selectEntries = try Statement(
            connection, "SELECT key, size, message FROM queue WHERE key BETWEEN ?1 AND ?2 ORDER BY key")
        selectStates = try Statement(
            connection, "SELECT key, size, state FROM queue WHERE key BETWEEN ?1 AND ?2 ORDER BY key")
        deleteEntries = try Statement(connection, "DELETE FROM queue WHERE key BETWEEN ?1 AND ?2")
        insertMessage = try Statement(
            connection, "INSERT OR REPLACE INTO message (\(Columns.message)) VALUES (?,?,?,?,?,?)")
        deleteMessage = try Statement(connection, "DELETE FROM message WHERE id = ?")
        putReference = try Statement(connection, "INSERT OR REPLACE INTO reference VALUES (?,?)")
        subtractReferences = try Statement(
            connection, "UPDATE reference SET entries = entries - ?2 WHERE message = ?1")
        deleteUnreferenced = try Statement(connection, "DELETE FROM reference WHERE message = ? AND entries <= 0")
        deleteReference = try Statement(connection, "DELETE FROM reference WHERE message = ?")
        putSession = try Statement(
            connection, "INSERT OR REPLACE INTO session (\(Columns.session)) VALUES (?,?,?,?,?,?,?,?,?)")
        deleteSession = try Statement(connection, "DELETE FROM session WHERE number = ?")
        putSubscription = try Statement(
            connection,
            """
            INSERT INTO subscription (session, filter, options, identifier, checksum) VALUES (?,?,?,?,?)
            ON CONFLICT DO UPDATE SET options = excluded.options, identifier = excluded.identifier,
                checksum = excluded.checksum
            """)
        deleteSubscription = try Statement(connection, "DELETE FROM subscription WHERE session = ? AND filter = ?")
        deleteSubscriptions = try Statement(connection, "DELETE FROM subscription WHERE session = ?")
        putReceived = try Statement(connection, "INSERT OR IGNORE INTO received VALUES (?,?)")
        deleteReceived = try Statement(connection, "DELETE FROM received WHERE key BETWEEN ? AND ?")
        putRetained = try Statement(
            connection,
            """
            INSERT INTO retained (topic, qos, expires_at, checksum, payload, properties, stamp) VALUES (?,?,?,?,?,?,?)
            ON CONFLICT DO UPDATE SET qos = excluded.qos, expires_at = excluded.expires_at,
                checksum = excluded.checksum, payload = excluded.payload, properties = excluded.properties,
                stamp = excluded.stamp
            """)
        deleteRetained = try Statement(connection, "DELETE FROM retained WHERE topic = ?")
        addBacklog = try Statement(
            connection,
            """
            INSERT INTO backlog VALUES (?,?,?) ON CONFLICT DO UPDATE SET messages = messages + excluded.messages,
                bytes = bytes + excluded.bytes
            """)
        deleteBacklog = try Statement(connection, "DELETE FROM backlog WHERE session = ?")
        putClock = try Statement(connection, "INSERT OR REPLACE INTO clock VALUES (1,?,?,?,?)")
        putMark = try Statement(connection, "INSERT OR REPLACE INTO mark VALUES (?,?,?)")
        putSeen = try Statement(connection, "INSERT OR REPLACE INTO seen (\(Columns.seen)) VALUES (?,?,?,?,?)")
        deleteSeen = try Statement(connection, "DELETE FROM seen WHERE id BETWEEN ?1 AND ?2")
    }

    /// Forgets what a transaction had added up.
    func begin() {
        differences.removeAll(keepingCapacity: true)
        dereferenced.removeAll(keepingCapacity: true)
        (lastSession, lastDifference, trimmed) = (.max, Difference(), [])
    }

    /// Applies every change of a log, in order.
    func apply(_ log: ChangeLog) throws(SQLiteFailure) {
        // Safe: pointers into the log are bound, and every statement is reset before its change is done.
        try unsafe log.bytes.withUnsafeBufferPointer { buffer throws(SQLiteFailure) in
            let bytes = UnsafeRawBufferPointer(buffer)
            var offset = 0
            while offset < bytes.count {
                let operation = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: Operation.self)
                let start = offset + Operation.size
                let middle = start + Int(operation.firstLength)
                offset = start + Int(operation.byteCount)
                let first = unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<middle])
                let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[middle..<offset])
                try unsafe apply(operation, first, rest)
            }
        }
    }

    /// Writes what was added up; the last step before the commit.
    func finish() throws(SQLiteFailure) {
        try dereference()
        keepLastDifference()
        for (session, difference) in differences where difference.messages != 0 || difference.bytes != 0 {
            addBacklog.bind(1, Int64(session))
            addBacklog.bind(2, difference.messages)
            addBacklog.bind(3, difference.bytes)
            try addBacklog.run()
        }
    }

    @inline(__always)
    func count(_ session: UInt32, messages: Int64, bytes: Int64) {
        if session != lastSession {
            keepLastDifference()
            lastSession = session
        }
        lastDifference.messages += messages
        lastDifference.bytes += bytes
    }

    private func keepLastDifference() {
        guard lastSession != .max else { return }
        differences[lastSession, default: Difference()].messages += lastDifference.messages
        differences[lastSession, default: Difference()].bytes += lastDifference.bytes
        (lastSession, lastDifference) = (.max, Difference())
    }

    private func apply(
        _ operation: Operation, _ first: UnsafeRawBufferPointer, _ rest: UnsafeRawBufferPointer
    ) throws(SQLiteFailure) {
        let session = Int64(operation.session)
        switch operation.kind {
        case .putEntry, .putSharedEntry: try unsafe insert(operation, first, rest)
        case .removeEntries:
            _ = try remove(operation.session, from: operation.number, through: operation.last)
        case .assign: try assign(operation)
        case .trim:
            trimmed.append(try trim(operation.session, messages: operation.number, bytes: operation.last))
        case .putMessage:
            let id = Int64(operation.number)
            try unsafe insertMessage(id, references: Int64(operation.last), operation.messageHead, rest)
        case .removeMessage: try removeMessage(Int64(operation.number))
        case .putSession: try unsafe put(operation, client: first, will: rest)
        case .removeSession: try removeSession(operation.session)
        case .putSubscription:
            putSubscription.bind(1, session)
            unsafe putSubscription.bind(2, text: rest)
            putSubscription.bind(3, Int64(operation.qos))
            putSubscription.bind(4, Int64(operation.long))
            putSubscription.bind(5, unsafe Checksum.subscription(operation, rest))
            try putSubscription.run()
        case .removeSubscription:
            deleteSubscription.bind(1, session)
            unsafe deleteSubscription.bind(2, text: rest)
            try deleteSubscription.run()
        case .putReceived:
            let key = session << 16 | Int64(operation.short)
            putReceived.bind(1, key)
            putReceived.bind(2, Checksum.received(key))
            try putReceived.run()
        case .removeReceived:
            let key = session << 16 | Int64(operation.short)
            try removeReceived(key, key)
        case .putRetained: try unsafe retain(operation, rest)
        case .removeRetained:
            unsafe deleteRetained.bind(1, text: rest)
            try deleteRetained.run()
        case .putClock:
            putClock.bind(1, operation.number)
            putClock.bind(2, operation.last)
            unsafe putClock.bind(3, text: rest)
            putClock.bind(4, operation.expiresAt)
            try putClock.run()
        case .putMark:
            putMark.bind(1, Int64(operation.long))
            putMark.bind(2, operation.number)
            putMark.bind(3, Checksum.mark(operation.long, operation.number))
            try putMark.run()
        case .putSeen:
            putSeen.bind(1, Int64(operation.long))
            unsafe putSeen.bind(2, text: first)
            putSeen.bind(3, operation.number)
            unsafe putSeen.bind(4, blob: rest)
            putSeen.bind(5, unsafe Checksum.seen(operation.long, operation.number, first, rest))
            try putSeen.run()
        case .removeSeen:
            deleteSeen.bind(1, operation.number)
            deleteSeen.bind(2, operation.last)
            try deleteSeen.run()
        }
    }

    private func put(
        _ operation: Operation, client: UnsafeRawBufferPointer, will: UnsafeRawBufferPointer
    ) throws(SQLiteFailure) {
        putSession.bind(1, Int64(operation.session))
        unsafe putSession.bind(2, text: client)
        putSession.bind(3, Int64(operation.short))
        putSession.bind(4, Int64(operation.long))
        putSession.bind(5, operation.number)
        if will.count > 0 { unsafe putSession.bind(6, blob: will) } else { putSession.bindNull(6) }
        putSession.bind(7, operation.expiresAt)
        putSession.bind(8, unsafe Checksum.session(operation, client, will))
        putSession.bind(9, operation.last)
        try putSession.run()
    }

    private func removeSession(_ number: UInt32) throws(SQLiteFailure) {
        _ = try remove(number, from: 0, through: QueueKey.sequences - 1)
        for statement in [deleteSession, deleteSubscriptions, deleteBacklog] {
            statement.bind(1, Int64(number))
            try statement.run()
        }
        try removeReceived(Int64(number) << 16, Int64(number) << 16 | 0xFFFF)
        // Its backlog is gone, so nothing may be added to it or taken off.
        if lastSession == number { (lastSession, lastDifference) = (.max, Difference()) }
        differences[number] = nil
    }

    private func removeReceived(_ first: Int64, _ last: Int64) throws(SQLiteFailure) {
        deleteReceived.bind(1, first)
        deleteReceived.bind(2, last)
        try deleteReceived.run()
    }

    private func retain(_ operation: Operation, _ bytes: UnsafeRawBufferPointer) throws(SQLiteFailure) {
        let parts = unsafe operation.messageHead.parts(of: bytes)
        unsafe putRetained.bind(1, text: parts[0])
        putRetained.bind(2, Int64(operation.qos))
        putRetained.bind(3, operation.expiresAt)
        let stamp = Int64(bitPattern: operation.number)
        let sum = unsafe Checksum.message(6, stamp, qos: operation.qos, expiresAt: operation.expiresAt, parts)
        putRetained.bind(4, sum)
        unsafe putRetained.bind(5, blob: parts[1])
        unsafe putRetained.bind(6, blob: parts[2])
        putRetained.bind(7, operation.number)
        try putRetained.run()
    }
}

extension MessageHead {
    /// Topic, payload and properties. The bytes must stay.
    @inline(__always)
    func parts(of bytes: UnsafeRawBufferPointer) -> [3 of UnsafeRawBufferPointer] {
        let topic = Int(topicLength)
        let properties = bytes.count - Int(propertiesLength)
        precondition(topic <= properties, "a message is longer than its bytes")
        return unsafe [
            UnsafeRawBufferPointer(rebasing: bytes[..<topic]),
            UnsafeRawBufferPointer(rebasing: bytes[topic..<properties]),
            UnsafeRawBufferPointer(rebasing: bytes[properties...]),
        ]
    }
}
