// The threads that compare passwords with hashes: each takes the oldest task that waits. How many may wait is for the caller to
// bound; one whose connection has gone is taken out before a thread begins with it.

internal import CLinux
internal import EventLoop
internal import Glibc
internal import Passwords
internal import Synchronization

final class HashPool: Sendable {
    /// A password, and what it is compared with.
    struct Task: Sendable {
        let key: Question
        let password: [UInt8]
        let verifier: Verifier
        /// Whether there is such a user; where not, the comparison only takes its time.
        let isKnown: Bool
    }

    private struct Contents {
        var waiting: [Task] = []
        var done: [(key: Question, isRight: Bool)] = []
        var threads = 0
    }

    private let contents = Mutex(Contents())
    /// Counts what waits; who reads it takes one.
    private let bell: Int32
    /// Raised when something is done.
    let news: Wakeup

    init() throws(SystemError) {
        // EFD_CLOEXEC has the value of O_CLOEXEC; EFD_SEMAPHORE is 1.
        bell = eventfd(0, O_CLOEXEC | 1)
        guard bell >= 0 else { throw SystemError("create an event descriptor") }
        news = try Wakeup()
    }

    /// Starts threads until there are so many. None is ended before the process.
    func grow(to count: Int) throws(SystemError) {
        while contents.withLock({ $0.threads }) < count {
            _ = try Thread { self.work() }
            contents.withLock { $0.threads += 1 }
        }
    }

    func add(_ task: Task) {
        contents.withLock { $0.waiting.append(task) }
        var one: UInt64 = 1
        // Eight bytes of this frame.
        _ = unsafe write(bell, &one, 8)
    }

    /// Takes out what waits and is wanted no more.
    func remove(where isGone: (Question) -> Bool) {
        contents.withLock { $0.waiting.removeAll { isGone($0.key) } }
    }

    /// What has been done since the last call.
    func results() -> [(key: Question, isRight: Bool)] {
        news.lower()
        return contents.withLock { contents in
            defer { contents.done = [] }
            return contents.done
        }
    }

    private func work() {
        while true {
            var count: UInt64 = 0
            // Eight bytes of this frame.
            guard unsafe read(bell, &count, 8) == 8 || errno == EINTR else { return }
            // It may have been taken out.
            guard let task = contents.withLock({ $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() }) else {
                continue
            }
            let isRight = task.verifier.accepts(task.password) && task.isKnown
            contents.withLock { $0.done.append((task.key, isRight)) }
            news.raise()
        }
    }
}
