// The thread that writes the log, and the queue before it. Writing to the journal or to a pipe can block, so no loop
// does it: a loop appends to the queue under a lock that is never held during a system call but the wake-up.
// This file holds the module's unsafe code: a thread, a socketpair, write(2) and the local time.

internal import Glibc
internal import Logging
internal import Synchronization
internal import Systemd

final class Writer: Sendable {
    /// Where lines go.
    enum Destination: Sendable {
        case journal
        /// Readable lines to this descriptor.
        case lines(Int32)
    }

    private struct State {
        var queue: Queue
        var limiter = RateLimiter()
        /// The thread sleeps and must be woken.
        var sleeping = false
        /// Whether the thread has taken lines that it has not written yet.
        var writing = false

        /// When it is time to say how many lines were held back; nil where none were.
        var reportDue: Duration?

        /// Puts a line into the queue for each kind of which lines were held back, saying how many.
        mutating func reportHeldBack() {
            reportDue = nil
            for (event, count) in limiter.takeHeldBack() {
                let report = Writer.report(.linesHeldBack, [.count: String(count), .key: event.rawValue])
                queue.append(report, evenIfFull: true)
            }
        }
    }

    /// How long after the first line that was held back it is said how many there were.
    private static let reportInterval = Duration.seconds(1)

    private let state: Mutex<State>
    /// A socketpair: a byte in it wakes the thread.
    private let sleeper: Int32
    private let waker: Int32
    private let destination: Destination
    private let worker: String
    private let identifier: String
    private let always: [(key: String, value: String)]

    /// - Parameters:
    ///   - worker: What readable lines are headed with.
    ///   - always: Fields of every journal entry.
    ///   - capacity: Bytes that may wait.
    init(destination: Destination, worker: String, always: [(key: String, value: String)], capacity: Int) {
        self.destination = destination
        self.worker = worker
        identifier = Self.identifier(of: worker)
        self.always = always
        state = Mutex(State(queue: Queue(capacity: capacity)))
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        // Safe: socketpair writes two descriptors.
        let result = unsafe socketpair(AF_UNIX, kind, 0, &ends)
        precondition(result == 0, "no descriptor is left for the log: raise LimitNOFILE")
        (sleeper, waker) = (ends[0], ends[1])
    }

    /// Starts the thread, which lives as long as the process. It takes no signal: those are for the loops.
    func start() {
        var all = sigset_t()
        var before = sigset_t()
        var thread = pthread_t()
        // Safe: the sets are values of this frame; the thread owns the one reference that it is passed.
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        let reference = unsafe Unmanaged.passRetained(self).toOpaque()
        let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
            unsafe Unmanaged<Writer>.fromOpaque(argument!).takeRetainedValue().run()
        }
        let result = unsafe pthread_create(&thread, nil, body, reference)
        precondition(result == 0, "the log's thread can not be started: raise TasksMax")
        pthread_detach(thread)
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
    }

    /// Takes one line, unless too many of its kind came or there is no room; never waits for the log.
    func write(_ record: Record) {
        let wake = state.withLock { state in
            let now = Self.now()
            if let event = record.event, !state.limiter.admit(event, at: now) {
                // The first to be held back wakes the thread, so that it sleeps no longer than to the report.
                guard state.reportDue == nil else { return false }
                state.reportDue = now + Self.reportInterval
            } else {
                state.queue.append(record)
            }
            defer { state.sleeping = false }
            return state.sleeping
        }
        if wake { wakeUp() }
    }

    private func wakeUp() {
        // Safe: one byte of this frame. The pair never fills: only who finds the thread asleep writes.
        _ = unsafe Glibc.write(waker, [1], 1)
    }

    /// Waits until everything has been written, at most so long.
    /// - Returns: whether nothing is left.
    @discardableResult
    func flush(within limit: Duration) -> Bool {
        let end = Self.now() + limit
        let wake = state.withLock { state in
            state.reportHeldBack()
            defer { state.sleeping = false }
            return state.sleeping
        }
        if wake { wakeUp() }
        while state.withLock({ !$0.queue.records.isEmpty || $0.writing }) {
            guard Self.now() < end else { return false }
            usleep(1000)
        }
        return true
    }

    private func run() -> Never {
        while true {
            let now = Self.now()
            let (batch, dropped, due) = state.withLock { state in
                if let due = state.reportDue, now >= due { state.reportHeldBack() }
                let (records, dropped) = state.queue.takeAll()
                state.writing = !records.isEmpty || dropped > 0
                state.sleeping = !state.writing
                return (records, dropped, state.reportDue)
            }
            for record in batch { emit(record) }
            if dropped > 0 { emit(Self.report(.linesDropped, [.count: String(dropped)])) }
            if batch.isEmpty, dropped == 0 { sleep(atMost: due.map { $0 - now }) }
        }
    }

    /// Until there is something to write, or, where lines were held back, until it is time to say how many.
    private func sleep(atMost limit: Duration?) {
        var descriptor = pollfd(fd: sleeper, events: Int16(POLLIN), revents: 0)
        // Rounded up: a little early would be another turn for nothing.
        let milliseconds = limit.map { Int32(clamping: Int64($0 / .milliseconds(1)) + 1) } ?? -1
        // Safe: one descriptor is passed and counted as one; one byte of this frame is read.
        guard unsafe poll(&descriptor, 1, milliseconds) > 0 else { return }
        var byte: UInt8 = 0
        _ = unsafe read(sleeper, &byte, 1)
    }

    private static func report(_ event: Event, _ fields: KeyValuePairs<Field, String>) -> Record {
        let (seconds, nanoseconds) = wallClock()
        return Record(
            seconds: seconds, nanoseconds: nanoseconds, level: event.description.level, message: event.message(fields),
            event: event, fields: fields.map { ($0.key.rawValue, $0.value) })
    }

    /// The program's name: that of the role without its instance.
    static func identifier(of worker: String) -> String {
        worker == "supervisor" ? "apusd" : "apus-" + worker.prefix { $0 != "/" }
    }

    /// What a worker wrote is its own, whoever passes it on.
    private func identifier(of record: Record) -> String {
        guard record.event == .workerWrote, let worker = record.fields.first(where: { $0.key == Field.worker.rawValue })
        else { return identifier }
        return Self.identifier(of: worker.value)
    }

    private func emit(_ record: Record) {
        var descriptor = STDERR_FILENO
        switch destination {
        case .journal:
            // Where the journal does not take it, standard error, which may be the journal's stream, still may.
            if JournalSocket.send(record.journalFields(identifier: identifier(of: record), always: always)) { return }
        case .lines(let given):
            descriptor = given
        }
        let time = Self.localTime(record.seconds, record.nanoseconds)
        Self.put(record.line(worker: worker, time: time), descriptor)
    }

    /// Writes the whole line, waiting where the descriptor does not take it.
    private static func put(_ line: String, _ descriptor: Int32) {
        var bytes = Array(line.utf8)[...]
        while !bytes.isEmpty {
            // Safe: the pointer and the count are those of the slice.
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                bytes = bytes.dropFirst(count)
            } else if errno == EAGAIN {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                // Safe: one descriptor is passed and counted as one.
                unsafe poll(&waiting, 1, -1)
            } else if errno != EINTR {
                return
            }
        }
    }

    // MARK: Clocks

    /// Seconds and nanoseconds since 1970.
    static func wallClock() -> (seconds: Int, nanoseconds: Int) {
        var now = timespec()
        // Safe: the kernel fills the whole value.
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return (now.tv_sec, now.tv_nsec)
    }

    private static func now() -> Duration {
        var now = timespec()
        // Safe: the kernel fills the whole value.
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        return .seconds(now.tv_sec) + .nanoseconds(now.tv_nsec)
    }

    private static func localTime(_ seconds: Int, _ nanoseconds: Int) -> LocalTime {
        var seconds = seconds
        var parts = unsafe tm()
        // Safe: both are values of this frame; localtime_r keeps no state of its own.
        unsafe localtime_r(&seconds, &parts)
        return unsafe LocalTime(
            year: Int(parts.tm_year) + 1900, month: Int(parts.tm_mon) + 1, day: Int(parts.tm_mday),
            hour: Int(parts.tm_hour), minute: Int(parts.tm_min), second: Int(parts.tm_sec),
            millisecond: nanoseconds / 1_000_000)
    }
}
