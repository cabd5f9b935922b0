// Whether there is room for more: on the disk, and within the store's own limit. Asked by the writer thread at each
// commit, and once a second while there is none.

internal import Glibc

struct Room {
    private let folder: String
    private let minimumFree: UInt64
    private let maximumBytes: UInt64
    private(set) var isLow = false

    init(_ state: StoreState) {
        folder = state.paths.folder
        minimumFree = state.minimumFree
        maximumBytes = state.maximumBytes
    }

    /// - Parameter isFull: a transaction has just failed for want of room.
    /// - Returns: whether room is short, where that has changed.
    mutating func check(_ connection: Connection?, isFull: Bool) -> Bool? {
        let before = isLow
        isLow = isFull || !hasDiskSpace() || !isWithinLimit(connection)
        return isLow == before ? nil : isLow
    }

    /// While it is short, a sixteenth more must come free than is needed to go on: no flapping about the edge.
    private func hasDiskSpace() -> Bool {
        var state = statvfs()
        // Safe: the kernel fills the whole value. A folder that can not be asked fails by itself when it is written.
        guard unsafe statvfs(folder, &state) == 0 else { return true }
        let needed = minimumFree + (isLow ? max(minimumFree / 16, 1 << 20) : 0)
        return UInt64(state.f_bavail) * UInt64(state.f_frsize) >= needed
    }

    /// The limit itself is kept by SQLite; after it was met, a sixteenth of it must be free to go on.
    private func isWithinLimit(_ connection: Connection?) -> Bool {
        guard isLow, maximumBytes > 0, let connection else { return true }
        guard let pages = try? connection.integer("PRAGMA page_count"),
            let free = try? connection.integer("PRAGMA freelist_count")
        else { return false }
        let limit = max(Int64(clamping: maximumBytes) / Connection.pageSize, 1)
        return pages - free <= limit - limit / 16
    }
}
