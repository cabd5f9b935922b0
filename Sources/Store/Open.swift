// Opening a store: look, create or migrate or set aside, check what is read at start, and only then start the threads.

internal import CSQLite
internal import EventLoop
internal import Glibc

extension Store {
    /// Opens the store in a folder, which must exist. Waits for the disk; a damaged store is set aside and what can be
    /// read of it recovered, which may take seconds for millions of rows. `notices` says what was done.
    /// - Parameters:
    ///   - maximumBytes: what the database's file may have; 0: no limit.
    ///   - minimumFree: bytes that should be free on the disk, see `StoreEvent.space`.
    ///   - leaving: from so many sessions of clients that are away they are left out of `contents`.
    package static func open(
        folder: String, mode: StoreMode, maximumBytes: UInt64 = 0, minimumFree: UInt64 = 0, leaving: Int = .max
    ) throws(StoreError) -> Store {
        let paths = StorePaths(folder: folder)
        let lock = try FolderLock(paths)
        var notices: [StoreNotice] = []
        var beginning = Beginning()
        if let why = try damage(paths, leaving, &beginning, &notices) {
            notices.append(try setAside(paths, why))
            // Newly written: what is wrong now is no damage to recover from.
            if let why = try damage(paths, leaving, &beginning, &notices) {
                throw .unusable("read the new store \(paths.file)", why, advice: "check the disk")
            }
        }
        let state = try StoreState(paths, mode, maximumBytes: maximumBytes, minimumFree: minimumFree)
        return try Store(state, lock, beginning, notices: notices)
    }

    /// What is read of a store when it is opened.
    struct Beginning {
        var contents = StoreContents()
        /// The highest number of a shared message.
        var lastMessage: UInt64 = 0
        var clock: ClockMark?
        /// The connection that read it.
        var loader: Loader?
    }

    /// Makes the store if there is none, brings it to this version, and reads what the router begins with.
    /// - Returns: why it is damaged; `nil`: that could be read.
    /// - Throws: where it can not be used although it is not damaged.
    private static func damage(
        _ paths: StorePaths, _ leaving: Int, _ beginning: inout Beginning, _ notices: inout [StoreNotice]
    ) throws(StoreError) -> String? {
        var header = FileHeader.read(paths.file)
        if header != .missing, StorePaths.exists(paths.marker) { return "damage was met while it was in use" }
        if header == .missing {
            // Set aside already, if it was marked; and a log that is left of it must not be taken for the new one's.
            _ = unsafe unlink(paths.marker)
            try StorePaths.move(paths.file, to: nameAside(paths))
            // One that was complete, but for its name, when a start was cut off.
            if FileHeader.read(paths.unfinished) == .store(version: Schema.version) {
                try StorePaths.move(paths.unfinished, to: paths.file)
            } else {
                _ = try make(paths) { _ in }
                notices.append(.created(path: paths.file))
            }
            paths.syncFolder()
            header = FileHeader.read(paths.file)
        }
        switch header {
        case .missing: return "its file vanished"
        case .damaged(let why): return why
        case .refused(let code):
            throw .unusable(
                "read the store \(paths.file)", errorText(code), advice: "the broker's user must be allowed to read it")
        case .store(let version) where version > Schema.version:
            throw .newer(path: paths.file, version: Int(version), supported: Int(Schema.version))
        case .store: break
        }
        do throws(SQLiteFailure) {
            let connection = try Connection(paths.file, .write)
            connection.keepLog()
            try connection.configure(.commit, maximumBytes: 0)
            let found = try Schema.migrate(connection)
            if found < Schema.version { notices.append(.migrated(from: Int(found), to: Int(Schema.version))) }
            try Schema.addIndexes(connection)
            // Whether every table is there.
            _ = try Applier(connection)
            let loader = try Loader(connection)
            beginning = Beginning(
                contents: try loader.contents(leaving: leaving),
                lastMessage: UInt64(max(try connection.integer("SELECT max(id) FROM message"), 0)),
                clock: try ClockMark.load(connection), loader: loader)
            return nil
        } catch {
            guard error.isDamage || error.isForeignSchema else { throw unusable(paths, error) }
            return error.description
        }
    }

    /// Makes a store under another name, fills it, and gives it its name when it is complete and synced.
    static func make<Result>(
        _ paths: StorePaths, fill: (Connection) throws(SQLiteFailure) -> Result
    ) throws(StoreError) -> Result {
        StorePaths.remove(paths.unfinished)
        let result: Result
        do throws(SQLiteFailure) {
            let connection = try Connection(paths.unfinished, .write)
            try connection.execute("PRAGMA page_size = \(Connection.pageSize)")
            try connection.configure(.commit, maximumBytes: 0)
            // The version comes last, with it the store is complete.
            try connection.execute("BEGIN IMMEDIATE")
            for step in Schema.migrations { try connection.execute(step) }
            result = try fill(connection)
            try connection.execute("PRAGMA application_id = \(Schema.applicationIdentifier)")
            try connection.execute("PRAGMA user_version = \(Schema.version)")
            try connection.execute("COMMIT")
            try connection.checkpoint(SQLITE_CHECKPOINT_TRUNCATE)
        } catch {
            StorePaths.remove(paths.unfinished)
            throw unusable(paths, error)
        }
        if !StorePaths.exists(paths.file) { try StorePaths.move(paths.unfinished, to: paths.file) }
        return result
    }

    static func unusable(_ paths: StorePaths, _ failure: SQLiteFailure) -> StoreError {
        let advice =
            failure.isFull
            ? "make room on the disk" : "the broker's user must be allowed to read and write it and its folder"
        return .unusable("use the store \(paths.file)", failure.description, advice: advice)
    }
}
