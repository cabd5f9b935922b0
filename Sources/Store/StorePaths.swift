// The files of a store, and the lock that keeps a second process out.

// What is unsafe here are paths, which Swift passes as C strings for the length of a call.

internal import EventLoop
internal import Glibc

/// Names of a store's files.
struct StorePaths: Sendable {
    let folder: String
    /// The database; SQLite puts `-wal` and `-shm` behind its name.
    var file: String { "\(folder)/apus.db" }
    /// A new store until it is complete.
    var unfinished: String { "\(folder)/apus.db.new" }
    /// Left behind by a process that met damage.
    var marker: String { "\(folder)/apus.db.is-damaged" }
    var lock: String { "\(folder)/apus.db.lock" }

    static let companions = ["-wal", "-shm", "-journal"]

    func markDamaged() {
        let descriptor = unsafe open(marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        if descriptor >= 0 {
            fsync(descriptor)
            close(descriptor)
        }
        syncFolder()
    }

    /// Makes renamed and created names last.
    func syncFolder() {
        let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }

    static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// Removes a database with the files beside it.
    static func remove(_ path: String) {
        for suffix in [""] + companions { _ = unsafe unlink(path + suffix) }
    }

    /// Renames a database with the files beside it.
    static func move(_ path: String, to target: String) throws(StoreError) {
        // The log first: the file without it would be taken for the whole.
        for suffix in companions + [""] where exists(path + suffix) {
            guard unsafe rename(path + suffix, target + suffix) == 0 else {
                throw .unusable(
                    "rename \(path + suffix) to \(target + suffix)", errorText(errno),
                    advice: "let the broker's user write to its folder")
            }
        }
    }
}

/// Held as long as the store is open.
final class FolderLock: Sendable {
    private let descriptor: Int32

    /// - Parameter patience: milliseconds to wait for another process to let go.
    init(_ paths: StorePaths, patience: Int = 5000) throws(StoreError) {
        descriptor = unsafe open(paths.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .unusable(
                "open \(paths.lock)", errorText(errno),
                advice: "the store's folder must exist and the broker's user must be allowed to write to it")
        }
        var waited = 0
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR, waited < patience else {
                close(descriptor)
                throw .inUse(path: paths.file)
            }
            usleep(10_000)
            waited += 10
        }
    }

    deinit { close(descriptor) }
}
