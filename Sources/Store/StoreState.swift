// What the router's thread, the writer and the reader share. The lock is held for a few moves of memory, never during a
// system call.

internal import EventLoop
internal import Synchronization

/// A log on its way to the disk.
struct Submission: Sendable {
    let number: UInt64
    var log: ChangeLog
}

enum ReadRequest: Sendable {
    case page(session: UInt32, after: UInt64, messages: Int, bytes: Int)
    case retained(after: UInt64, rows: Int)
}

final class StoreState: Sendable {
    struct Shared: Sendable {
        var waiting: [Submission] = []
        /// Bytes of what waits, is being written, or has failed.
        var pendingBytes = 0
        var events: [StoreEvent] = []
        /// What the last transaction was to store, if it failed; nothing is written until the router has taken it back.
        var failed: [Submission] = []
        var failure: StoreFailure?
        /// Empty logs whose memory is used again.
        var spare: [ChangeLog] = []
        var requests: [ReadRequest] = []
        var isWriterAsleep = false
        var isReaderAsleep = false
        var isClosing = false
        /// Somebody waits to open the store next.
        var isFollowed = false
    }

    let shared: Mutex<Shared>
    let paths: StorePaths
    let mode: StoreMode
    /// Bytes the file may have; 0: no limit.
    let maximumBytes: UInt64
    /// Bytes that should be free on the disk.
    let minimumFree: UInt64
    let news: Wakeup
    let writerWakeup: Wakeup
    let readerWakeup: Wakeup

    init(_ paths: StorePaths, _ mode: StoreMode, maximumBytes: UInt64, minimumFree: UInt64) throws(StoreError) {
        self.paths = paths
        self.mode = mode
        self.maximumBytes = maximumBytes
        self.minimumFree = minimumFree
        do throws(SystemError) {
            news = try Wakeup()
            writerWakeup = try Wakeup()
            readerWakeup = try Wakeup()
        } catch {
            throw StoreError(error)
        }
        shared = Mutex(Shared())
    }

    /// Tells the router.
    func report(_ events: [StoreEvent]) {
        guard !events.isEmpty else { return }
        shared.withLock { $0.events += events }
        news.raise()
    }

    /// Tells the router, and the next start, that the file is not what was written.
    func reportDamage(_ failure: SQLiteFailure) {
        paths.markDamaged()
        report([.damaged(failure.description)])
    }
}
