// The durable store as the router sees it: it hands over changes and asks for pages, and learns from a descriptor when
// there is news. Nothing here waits for the disk but `open`, questions for sessions (Load.swift) and `close`. Used by one
// thread; the two others are in Writer.swift and Reader.swift.

internal import EventLoop
internal import Glibc
internal import Synchronization

/// How soon what is submitted is on the disk.
package enum StoreMode: Sendable {
    /// Committed means synced. `periodic` differs only in how often the router submits.
    case commit, periodic
    /// Never synced: a power cut loses what the kernel had not written, a crash of the process loses nothing.
    case none
}

package final class Store {
    let state: StoreState
    /// What opening it did, for the log.
    package let notices: [StoreNotice]
    /// The store's clock as it was last written; `nil` in a new store.
    package let savedClock: ClockMark?
    /// The highest number of a shared message that is in use; 0: none is.
    package let lastMessage: UInt64

    private var contents: StoreContents
    /// For questions of the router's own thread.
    var loader: Loader?

    private var lock: FolderLock?
    private var writer: Thread?
    private var reader: Thread?
    private var submitted: UInt64 = 0
    /// Of the last clock that was submitted.
    private var markedSeconds: UInt64 = 0

    init(
        _ state: StoreState, _ lock: FolderLock, _ beginning: Beginning, notices: [StoreNotice]
    ) throws(StoreError) {
        self.state = state
        self.lock = lock
        contents = beginning.contents
        self.notices = notices
        savedClock = beginning.clock
        lastMessage = beginning.lastMessage
        loader = beginning.loader
        markedSeconds = beginning.clock?.storeSeconds ?? 0
        do throws(SystemError) {
            writer = try Thread { Writer(state).run() }
            reader = try Thread { Reader(state).run() }
        } catch {
            throw StoreError(error)
        }
    }

    deinit { close() }

    /// What it had when it was opened; nothing the second time.
    package func takeContents() -> StoreContents {
        defer { contents = StoreContents() }
        return contents
    }

    /// Readable when `receive` has something to tell.
    package var descriptor: Int32 { state.news.descriptor }

    /// Whether something that was submitted is not yet stored.
    package var isBusy: Bool { state.shared.withLock { $0.pendingBytes > 0 } }

    /// Bytes of changes that are not yet stored.
    package var pendingBytes: Int { state.shared.withLock { $0.pendingBytes } }

    /// Hands over changes for one transaction and never waits. The writer may join what waits into one.
    /// - Parameters:
    ///   - log: empty afterwards, with memory for the next changes.
    ///   - clock: of `ExpiryClock.mark`; written along where the last is a second old.
    /// - Returns: the transaction's number, one above the one before; of an empty log the last number.
    @discardableResult
    package func submit(_ log: inout ChangeLog, clock: ClockMark? = nil) -> UInt64 {
        guard !log.isEmpty else { return submitted }
        if let clock, clock.storeSeconds > markedSeconds {
            log.putClock(clock)
            markedSeconds = clock.storeSeconds
        }
        submitted += 1
        let number = submitted
        let isAsleep = state.shared.withLock { shared in
            shared.waiting.append(Submission(number: number, log: log))
            shared.pendingBytes += log.byteCount
            log = shared.spare.popLast() ?? ChangeLog()
            defer { shared.isWriterAsleep = false }
            return shared.isWriterAsleep
        }
        if isAsleep { state.writerWakeup.raise() }
        return number
    }

    /// What happened since the last call. After a failure nothing is written until it was received.
    package func receive() -> [StoreEvent] {
        state.news.lower()
        let (events, hadFailed) = state.shared.withLock { shared in
            var events = shared.events
            shared.events = []
            let hadFailed = shared.failure != nil
            if let failure = shared.failure {
                // What waits behind a failure may build on it, so it fails too.
                var log = ChangeLog()
                for submission in shared.failed + shared.waiting { log.append(submission.log) }
                events.append(
                    .failed(transaction: (shared.waiting.last ?? shared.failed.last)!.number, log: log, failure))
                (shared.failed, shared.waiting, shared.failure, shared.pendingBytes) = ([], [], nil, 0)
            }
            return (events, hadFailed)
        }
        if hadFailed { state.writerWakeup.raise() }
        return events
    }

    /// Asks for the piece of a session's queue that follows `sequence`, as it is stored now; `StoreEvent.page` answers.
    /// - Parameters:
    ///   - messages: the most rows; at least 1.
    ///   - bytes: no row is begun beyond so many bytes of messages; the first always comes.
    package func requestPage(_ session: UInt32, after sequence: UInt64, messages: Int, bytes: Int) {
        ask(.page(session: session, after: sequence, messages: max(messages, 1), bytes: bytes))
    }

    /// Asks for retained messages; `StoreEvent.retained` answers. A message that is stored meanwhile may come or not.
    /// - Parameter cursor: 0, then `RetainedPage.next` of the answer before.
    package func requestRetained(after cursor: UInt64, rows: Int) {
        ask(.retained(after: cursor, rows: max(rows, 1)))
    }

    /// Says that the file is not what was written, as only its user can tell: the next `open` sets it aside.
    package func declareDamaged() { state.paths.markDamaged() }

    private func ask(_ request: ReadRequest) {
        let isAsleep = state.shared.withLock { shared in
            shared.requests.append(request)
            defer { shared.isReaderAsleep = false }
            return shared.isReaderAsleep
        }
        if isAsleep { state.readerWakeup.raise() }
    }

    /// Stores everything that was submitted and closes the files; waits for it. Nothing can be submitted afterwards.
    /// - Parameter isFollowed: somebody waits to open the store: the write-ahead log stays beside the file as it is.
    /// - Returns: events that had not been received; a `failed` among them says what is lost.
    @discardableResult
    package func close(isFollowed: Bool = false) -> [StoreEvent] {
        // Its transaction would keep the log from being moved into the file.
        loader = nil
        state.shared.withLock {
            $0.isClosing = true
            $0.isFollowed = isFollowed
        }
        state.readerWakeup.raise()
        state.writerWakeup.raise()
        // The reader first: the connection that closes last moves the write-ahead log into the file.
        reader?.join()
        writer?.join()
        (reader, writer, lock) = (nil, nil, nil)
        return receive()
    }
}
