// A prepared statement. Bytes are bound where they lie, without a copy: they must stay until the statement is reset.

internal import CSQLite

@safe
final class Statement {
    private let handle: OpaquePointer
    private let connection: Connection

    init(_ connection: Connection, _ sql: String) throws(SQLiteFailure) {
        var prepared: OpaquePointer?
        // Safe: the out-pointer is a value of this frame.
        let code = unsafe sqlite3_prepare_v3(
            connection.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let prepared = unsafe prepared else { throw connection.failure(code) }
        unsafe handle = prepared
        self.connection = connection
    }

    deinit { unsafe sqlite3_finalize(handle) }

    // MARK: Parameters, from 1

    @inline(__always)
    func bind(_ index: Int32, _ value: Int64) { unsafe sqlite3_bind_int64(handle, index, value) }

    @inline(__always)
    func bind(_ index: Int32, _ value: UInt64) { bind(index, Int64(bitPattern: value)) }

    func bindNull(_ index: Int32) { unsafe sqlite3_bind_null(handle, index) }

    /// - Parameter bytes: stays until `reset`.
    @inline(__always)
    func bind(_ index: Int32, blob bytes: UnsafeRawBufferPointer) {
        unsafe sqlite3_bind_blob64(handle, index, bytes.baseAddress, UInt64(bytes.count), nil)
    }

    /// - Parameter bytes: UTF-8; stays until `reset`.
    @inline(__always)
    func bind(_ index: Int32, text bytes: UnsafeRawBufferPointer) {
        let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
        unsafe sqlite3_bind_text64(handle, index, start, UInt64(bytes.count), nil, UInt8(SQLITE_UTF8))
    }

    /// Binds a column of another statement's row, as it is.
    func bind(_ index: Int32, column: Int32, of source: Statement) {
        unsafe sqlite3_bind_value(handle, index, sqlite3_column_value(source.handle, column))
    }

    // MARK: Running

    /// - Returns: whether there is a row.
    @inline(__always)
    func step() throws(SQLiteFailure) -> Bool {
        let code = unsafe sqlite3_step(handle)
        if code == SQLITE_ROW { return true }
        if code == SQLITE_DONE { return false }
        let failure = connection.failure(code)
        reset()
        throw failure
    }

    /// Runs to the end, and is ready to be bound anew.
    @inline(__always)
    func run() throws(SQLiteFailure) {
        while try step() {}
        reset()
    }

    /// Lets go of what it reads; bindings stay.
    @inline(__always)
    func reset() { unsafe sqlite3_reset(handle) }

    // MARK: Columns of the row, from 0

    @inline(__always)
    func integer(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(handle, column) }

    @inline(__always)
    func unsigned(_ column: Int32) -> UInt64 { UInt64(bitPattern: integer(column)) }

    func isNull(_ column: Int32) -> Bool { unsafe sqlite3_column_type(handle, column) == SQLITE_NULL }

    /// The bytes of a text or blob, valid until the next step.
    @inline(__always)
    func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
        // The pointer first: asking for the length would not convert, the pointer may.
        let start = unsafe sqlite3_column_blob(handle, column)
        return unsafe UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column)))
    }

    func octets(_ column: Int32) -> [UInt8] { unsafe [UInt8](bytes(column)) }
}
