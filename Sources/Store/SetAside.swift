// A damaged store is never written to and never deleted: what can be read of it goes into a new store, and it is renamed
// with the date. Called by `open`.

internal import EventLoop
internal import Glibc

extension Store {
    static func setAside(_ paths: StorePaths, _ why: String) throws(StoreError) -> StoreNotice {
        // First the new store, complete but for its name: a start that is cut off here begins again.
        let recovered = try make(paths) { connection throws(SQLiteFailure) in
            try Salvage(paths.file, into: connection).run()
        }
        let aside = nameAside(paths)
        try StorePaths.move(paths.file, to: aside)
        // Where SQLite keeps its locks; of no use to anyone.
        _ = unsafe unlink(aside + "-shm")
        try StorePaths.move(paths.unfinished, to: paths.file)
        _ = unsafe unlink(paths.marker)
        paths.syncFolder()
        return .setAside(from: paths.file, to: aside, why: why, recovered: recovered)
    }

    /// A name with the date, and with a number where that is taken.
    static func nameAside(_ paths: StorePaths) -> String {
        let name = "\(paths.file).damaged-\(dateText(time(nil)))"
        guard StorePaths.exists(name) else { return name }
        var number = 2
        while StorePaths.exists("\(name)-\(number)") { number += 1 }
        return "\(name)-\(number)"
    }

    /// UTC as in 20260501T101500Z.
    private static func dateText(_ seconds: time_t) -> String {
        var seconds = seconds
        var parts = unsafe tm()
        // Safe: both are values of this frame; gmtime_r keeps no state of its own.
        unsafe gmtime_r(&seconds, &parts)
        func digits(_ value: Int32, _ count: Int = 2) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let date = unsafe digits(parts.tm_year + 1900, 4) + digits(parts.tm_mon + 1) + digits(parts.tm_mday)
        return unsafe date + "T" + digits(parts.tm_hour) + digits(parts.tm_min) + digits(parts.tm_sec) + "Z"
    }
}
