// A connection to SQLite and its failures. One thread at a time uses one. This and Statement.swift are where Store calls
// the C library.

internal import CSQLite
internal import Glibc

/// What SQLite answered instead of success.
struct SQLiteFailure: Error, CustomStringConvertible {
    /// The extended result code.
    let code: Int32
    /// `errno` of the system call behind it; 0: none.
    let systemError: Int32
    let description: String

    /// No room: the disk's, a quota's, or the store's own limit.
    var isFull: Bool { code & 0xFF == SQLITE_FULL || systemError == ENOSPC || systemError == EDQUOT }
    /// The file is not what was written, or the disk can not read it back.
    var isDamage: Bool {
        let readError = SQLITE_IOERR | 1 << 8
        return code & 0xFF == SQLITE_CORRUPT || code & 0xFF == SQLITE_NOTADB || code == readError && systemError == EIO
    }

    /// A table or column is missing: the schema is not what was written.
    var isForeignSchema: Bool { code == SQLITE_ERROR }

    /// A row whose checksum does not fit.
    static func falseRow(_ table: String) -> SQLiteFailure {
        SQLiteFailure(
            code: SQLITE_CORRUPT, systemError: 0, description: "a row of table \(table) is not what was written")
    }
}

@safe
final class Connection {
    enum Access {
        case write, read
        /// Without the journal beside it, which may be unreadable.
        case readFileOnly
    }

    let handle: OpaquePointer
    /// Pages in the write-ahead log after the last commit, filled by `countLogPages`.
    private var logPages: UnsafeMutablePointer<Int32>?

    /// Once for the process, before the first connection.
    private static let isConfigured: Bool = apus_sqlite_without_statistics() == SQLITE_OK

    init(_ path: String, _ access: Access) throws(SQLiteFailure) {
        _ = Self.isConfigured
        var flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        var name = path
        switch access {
        case .write: flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
        case .read: flags |= SQLITE_OPEN_READONLY
        case .readFileOnly:
            flags |= SQLITE_OPEN_READONLY | SQLITE_OPEN_URI
            name = "file:\(Self.escaped(path))?immutable=1"
        }
        var opened: OpaquePointer?
        // Safe: the out-pointer is a value of this frame. A handle comes back even where opening failed.
        let code = unsafe sqlite3_open_v2(name, &opened, flags, nil)
        guard let opened = unsafe opened else {
            throw SQLiteFailure(code: code, systemError: ENOMEM, description: "no memory for a connection")
        }
        guard code == SQLITE_OK else {
            let failure = unsafe Self.failure(opened, code)
            unsafe sqlite3_close_v2(opened)
            throw failure
        }
        unsafe handle = opened
        unsafe sqlite3_busy_timeout(handle, 5000)
    }

    deinit {
        // v2: statements that are still there keep it until they go.
        unsafe sqlite3_close_v2(handle)
        unsafe logPages?.deallocate()
    }

    /// Runs statements that return nothing.
    func execute(_ sql: String) throws(SQLiteFailure) {
        let code = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code) }
    }

    /// The integer in the first column of the first row; 0 where there is no row.
    func integer(_ sql: String) throws(SQLiteFailure) -> Int64 {
        let statement = try Statement(self, sql)
        return try statement.step() ? statement.integer(0) : 0
    }

    /// Rows that the last statement changed.
    var changes: Int32 { unsafe sqlite3_changes(handle) }

    /// Whether a transaction is open: a failure may have ended it.
    var isInTransaction: Bool { unsafe sqlite3_get_autocommit(handle) == 0 }

    func failure(_ code: Int32) -> SQLiteFailure { unsafe Self.failure(handle, code) }

    private static func failure(_ handle: OpaquePointer, _ code: Int32) -> SQLiteFailure {
        let system = unsafe code & 0xFF == SQLITE_OK ? 0 : sqlite3_system_errno(handle)
        // The text is copied at once.
        let text = unsafe String(cString: sqlite3_errmsg(handle))
        return SQLiteFailure(code: code, systemError: system, description: "\(text) (SQLite \(code), errno \(system))")
    }

    private static func escaped(_ path: String) -> String {
        path.utf8.reduce(into: "") { text, byte in
            let isPlain = (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            if isPlain || byte == 0x2F || byte == 0x2E || byte == 0x2D || byte == 0x5F {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
    }

    // MARK: The write-ahead log

    /// The end of this connection moves nothing into the file, even if it is the last one: nobody waits for the disk.
    func keepLog() { unsafe apus_sqlite_keep_log(handle) }

    /// From now on `pagesInLog` says how long the write-ahead log is, and nobody but the caller moves it into the file.
    func countLogPages() {
        let pages = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
        unsafe pages.initialize(to: 0)
        unsafe logPages = pages
        // Safe: the memory lives as long as the connection. It replaces SQLite's own automatic checkpoint.
        unsafe sqlite3_wal_hook(
            handle,
            { context, _, _, pages in
                unsafe context!.assumingMemoryBound(to: Int32.self).pointee = pages
                return SQLITE_OK
            }, pages)
    }

    var pagesInLog: Int32 { unsafe logPages?.pointee ?? 0 }

    /// Moves what it can of the write-ahead log into the file.
    /// - Parameter mode: SQLITE_CHECKPOINT_PASSIVE, _RESTART or _TRUNCATE.
    func checkpoint(_ mode: Int32) throws(SQLiteFailure) {
        let code = unsafe sqlite3_wal_checkpoint_v2(handle, nil, mode, nil, nil)
        // Busy: a reader holds it; the next time does the rest.
        guard code == SQLITE_OK || code & 0xFF == SQLITE_BUSY else { throw failure(code) }
        if code == SQLITE_OK { unsafe logPages?.pointee = 0 }
    }
}
