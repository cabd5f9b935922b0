// The broker's log. Every process calls `bootstrap` once, first of all; then `Journal.log(.clientConnected, […])`
// anywhere, from any thread. It goes through swift-log to systemd's journal with fields, or, where standard error is
// not the journal, to readable lines there. Nothing here is fatal but a process without a descriptor or thread left.

internal import Glibc
package import Logging
internal import Synchronization
internal import Systemd

package enum Journal {
    /// Where the log goes.
    package enum Destination: Sendable {
        /// The journal where standard error leads there, else lines on standard error.
        case automatic
        case journal
        /// Readable lines to this descriptor, which stays open as long as the process.
        case lines(descriptor: Int32)
    }

    /// Bytes of lines that may wait to be written.
    private static let capacity = 4 << 20

    /// What `bootstrap` made; nil before it, and then nothing is logged.
    private struct Setup: Sendable {
        let writer: Writer
        let logger: Logger
    }

    private static let setup = Mutex<Setup?>(nil)
    private static let currentLevel = Atomic<Int>(Logger.Level.info.order)
    private static let logsConnections = Atomic<Bool>(true)

    /// Starts the log of this process. Must be called once, before any other thread; what was logged is written
    /// before the process exits by `exit` or by returning from main.
    /// - Parameters:
    ///   - worker: Who writes: `supervisor`, `router`, `listener/mqtt`.
    ///   - level: The least important lines that are written.
    ///   - connections: Whether lines are written when clients come and go.
    ///   - always: Fields of every entry in the journal, as the listener's name or the generation.
    package static func bootstrap(
        worker: String, level: Logger.Level = .info, connections: Bool = true,
        always: KeyValuePairs<Field, String> = [:], destination: Destination = .automatic
    ) {
        configure(level: level, connections: connections)
        let descriptor: Int32? =
            switch destination {
            case .automatic: JournalSocket.isStandardError() ? nil : STDERR_FILENO
            case .journal: nil
            case .lines(let descriptor): descriptor
            }
        let writer = Writer(
            destination: descriptor.map { .lines($0) } ?? .journal, worker: worker,
            always: [(Field.worker.rawValue, worker)] + always.map { ($0.key.rawValue, $0.value) }, capacity: capacity)
        writer.start()
        LoggingSystem.bootstrap { _ in Handler(writer: writer) }
        let logger = Logger(label: "apus")
        setup.withLock { $0 = Setup(writer: writer, logger: logger) }
        atexit { Journal.flush() }
    }

    /// Whether entries with fields arrive where standard error leads; else it gets readable lines.
    package static var isNative: Bool { JournalSocket.isStandardError() }

    /// Waits until what was logged has arrived, for processes that are about to end and have not lived long: the journal asks
    /// the system whose an entry is, and the system knows nothing of a process that has gone.
    package static func settle() {
        if flush(), isNative { JournalSocket.settle() }
    }

    /// Takes over what a reload of the configuration changed.
    package static func configure(level: Logger.Level, connections: Bool) {
        currentLevel.store(level.order, ordering: .relaxed)
        logsConnections.store(connections, ordering: .relaxed)
    }

    /// The least important lines that are written now.
    package static var level: Logger.Level { Logger.Level.allCases[currentLevel.load(ordering: .relaxed)] }

    /// Whether an event is written as things stand. For those whose fields cost something to make.
    package static func writes(_ event: Event) -> Bool {
        guard event.description.level >= level else { return false }
        let isOfConnections = event == .clientConnected || event == .clientDisconnected
        return !isOfConnections || logsConnections.load(ordering: .relaxed)
    }

    /// Reports one event. Costs a comparison where its level is not written; never blocks.
    /// - Parameters:
    ///   - fields: What the event's sentence names, and whatever else helps to find it again.
    ///   - subject: What all entries about the same worker or client say.
    package static func log(
        _ event: Event, _ fields: KeyValuePairs<Field, String> = [:], of subject: KeyValuePairs<Field, String> = [:]
    ) {
        guard writes(event), let logger = setup.withLock({ $0?.logger }) else { return }
        var metadata: Logger.Metadata = [Handler.eventKey: .string(event.rawValue)]
        for (field, value) in subject { metadata[field.rawValue] = .string(value) }
        for (field, value) in fields { metadata[field.rawValue] = .string(value) }
        logger.log(level: event.description.level, "\(event.message(fields, of: subject))", metadata: metadata)
    }

    /// Waits until what was logged has been written, at most so long: standard error may be a pipe that nobody reads.
    /// - Returns: whether nothing is left.
    @discardableResult
    package static func flush(within limit: Duration = .seconds(2)) -> Bool {
        guard let writer = setup.withLock({ $0?.writer }) else { return true }
        return writer.flush(within: limit)
    }
}

extension Logger.Level {
    /// The place in `allCases`, which is the order of importance.
    fileprivate var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

extension Logger.Level {
    /// The level that `Welcome` names by its place, 0 trace ... 6 critical; what is beyond is critical.
    package init(number: UInt8) {
        self = Self.allCases[min(Int(number), Self.allCases.count - 1)]
    }
}
