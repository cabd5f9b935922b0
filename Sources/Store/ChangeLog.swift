// Changes that belong into one transaction, in order, as plain bytes: the router appends on the path of every durable
// message, so an append is a few copies into a buffer that grows, and nothing else. Session numbers beyond 2²³ and
// sequences beyond 2⁴⁰ are fatal: they would name another session's entries.

/// A list of changes for `Store.submit`.
///
/// Each change says what is to be afterwards, not what to add, so that a log whose transaction failed may be applied
/// again.
package struct ChangeLog: Sendable {
    var bytes: [UInt8] = []
    /// Changes in it; removals of entries that follow each other count as one.
    package private(set) var count = 0
    /// Where the newest change begins if it removes entries, so that the next one can join it; -1 if not.
    private var openRemoval = -1

    package init() {}

    package var isEmpty: Bool { count == 0 }
    /// Its size in memory.
    package var byteCount: Int { bytes.count }

    // MARK: Sessions

    /// Inserts or replaces a session.
    package mutating func putSession(_ session: StoredSession) {
        append(
            Operation(
                kind: .putSession, session: session.number, number: session.expiresAt, last: session.acceptedAt,
                expiresAt: session.willAt,
                short: UInt16(session.version), long: session.expiryInterval),
            session.clientIdentifier.span.raw, session.will.span.raw)
    }

    /// Removes a session with its subscriptions, its queue and its received identifiers.
    package mutating func removeSession(_ number: UInt32) {
        append(Operation(kind: .removeSession, session: number))
    }

    /// Inserts or replaces a subscription.
    package mutating func putSubscription(_ session: UInt32, _ filter: RawSpan, options: UInt8, identifier: UInt32) {
        append(Operation(kind: .putSubscription, qos: options, session: session, long: identifier), RawSpan(), filter)
    }

    package mutating func removeSubscription(_ session: UInt32, _ filter: RawSpan) {
        append(Operation(kind: .removeSubscription, session: session), RawSpan(), filter)
    }

    // MARK: Queues

    /// A message that several entries name. They must be put by the same log, behind it.
    /// - Parameters:
    ///   - id: never used before; from 1 to 2⁶² − 1.
    ///   - references: how many entries name it.
    ///   - bytes: topic, payload and properties.
    package mutating func putMessage(_ id: UInt64, references: UInt32, _ head: MessageHead, _ bytes: RawSpan) {
        precondition(id > 0 && id < 1 << 62)
        append(
            Operation(
                kind: .putMessage, number: id, last: UInt64(references), expiresAt: head.expiresAt,
                topicLength: head.topicLength, propertiesLength: head.propertiesLength),
            RawSpan(), bytes)
    }

    /// An entry with a message of its own.
    /// - Parameters:
    ///   - sequence: above all others that the session's queue holds; from 1 to 2⁴⁰ − 1.
    ///   - identifiers: subscription identifiers; opaque.
    ///   - bytes: topic, payload and properties.
    package mutating func putEntry(
        _ session: UInt32, _ sequence: UInt64, _ entry: EntryHead, identifiers: RawSpan, _ head: MessageHead,
        _ bytes: RawSpan
    ) {
        precondition(sequence > 0 && sequence < QueueKey.sequences)
        append(
            Operation(
                kind: .putEntry, qos: entry.qos, flags: entry.flags, stage: entry.stage, session: session,
                number: sequence, expiresAt: head.expiresAt, short: entry.packetIdentifier,
                topicLength: head.topicLength, propertiesLength: head.propertiesLength),
            identifiers, bytes)
    }

    /// An entry that names a message of this log.
    /// - Parameter size: bytes of that message, for the session's backlog.
    package mutating func putEntry(
        _ session: UInt32, _ sequence: UInt64, _ entry: EntryHead, identifiers: RawSpan, message: UInt64, size: UInt32
    ) {
        precondition(sequence > 0 && sequence < QueueKey.sequences)
        append(
            Operation(
                kind: .putSharedEntry, qos: entry.qos, flags: entry.flags, stage: entry.stage, session: session,
                number: sequence, last: message, short: entry.packetIdentifier, long: size),
            identifiers, RawSpan())
    }

    /// Changes how far the delivery of an entry has come. Nothing, if there is no such entry.
    package mutating func assign(
        _ session: UInt32, _ sequence: UInt64, packetIdentifier: UInt16, stage: UInt8, flags: UInt8
    ) {
        append(
            Operation(
                kind: .assign, flags: flags, stage: stage, session: session, number: sequence, short: packetIdentifier))
    }

    package mutating func removeEntry(_ session: UInt32, _ sequence: UInt64) {
        if openRemoval >= 0, extendRemoval(session, sequence) { return }
        let start = bytes.count
        append(Operation(kind: .removeEntries, session: session, number: sequence, last: sequence))
        openRemoval = start
    }

    /// Removes all entries up to and with `sequence`.
    package mutating func removeEntries(_ session: UInt32, through sequence: UInt64) {
        append(Operation(kind: .removeEntries, session: session, number: 0, last: sequence))
    }

    /// Removes the oldest entries that have no packet identifier until at least so many messages and at least so many bytes are gone (each may be 0),
    /// or the queue is empty. What went comes back with `StoreEvent.committed`.
    package mutating func trim(_ session: UInt32, messages: UInt32, bytes: UInt64) {
        append(Operation(kind: .trim, session: session, number: UInt64(messages), last: bytes))
    }

    // MARK: Received identifiers

    package mutating func putReceived(_ session: UInt32, _ packetIdentifier: UInt16) {
        append(Operation(kind: .putReceived, session: session, short: packetIdentifier))
    }

    package mutating func removeReceived(_ session: UInt32, _ packetIdentifier: UInt16) {
        append(Operation(kind: .removeReceived, session: session, short: packetIdentifier))
    }

    // MARK: Retained messages

    /// Inserts or replaces the retained message of its topic.
    /// - Parameter stamp: opaque.
    package mutating func putRetained(_ head: MessageHead, qos: UInt8, stamp: UInt64 = 0, _ bytes: RawSpan) {
        append(
            Operation(
                kind: .putRetained, qos: qos, number: stamp, expiresAt: head.expiresAt, topicLength: head.topicLength,
                propertiesLength: head.propertiesLength),
            RawSpan(), bytes)
    }

    package mutating func removeRetained(_ topic: RawSpan) {
        append(Operation(kind: .removeRetained), RawSpan(), topic)
    }

    /// Says how far the stream of a listener is in the store, this log included.
    package mutating func putMark(_ place: UInt32, _ bytes: UInt64) {
        append(Operation(kind: .putMark, number: bytes, long: place))
    }

    // MARK: What has come from other brokers

    /// Inserts or replaces a row.
    package mutating func putSeen(_ row: StoredSeen) {
        append(
            Operation(kind: .putSeen, number: row.count, long: row.number), row.node.span.raw, row.items.span.raw)
    }

    /// - Parameter numbers: not empty.
    package mutating func removeSeen(_ numbers: Range<UInt32>) {
        append(
            Operation(kind: .removeSeen, number: UInt64(numbers.lowerBound), last: UInt64(numbers.upperBound - 1)))
    }

    // MARK: The buffer

    mutating func putClock(_ mark: ClockMark) {
        let id = mark.bootIdentifier
        append(
            Operation(
                kind: .putClock, number: mark.storeSeconds, last: mark.wallSeconds, expiresAt: mark.bootSeconds),
            RawSpan(), id.span.raw)
    }

    var capacity: Int { bytes.capacity }

    /// Forgets everything but the memory.
    mutating func clear() {
        bytes.removeAll(keepingCapacity: true)
        count = 0
        openRemoval = -1
    }

    /// Puts all of another log behind this one.
    package mutating func append(_ other: ChangeLog) {
        bytes += other.bytes
        count += other.count
        openRemoval = -1
    }

    /// The change at `offset`.
    func operation(at offset: Int) -> Operation {
        // An Operation lies wherever an append began, and loadUnaligned checks the bounds.
        unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: offset, as: Operation.self) }
    }

    @inline(__always)
    mutating func append(_ operation: Operation, _ first: RawSpan = RawSpan(), _ rest: RawSpan = RawSpan()) {
        precondition(operation.session < QueueKey.sessions)
        var operation = operation
        operation.firstLength = UInt32(first.byteCount)
        operation.byteCount = UInt64(first.byteCount + rest.byteCount)
        openRemoval = -1
        count += 1
        // Each pointer is used within its closure; padding is copied, and never looked at.
        unsafe withUnsafeBytes(of: operation) { unsafe bytes.append(contentsOf: $0) }
        unsafe first.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        unsafe rest.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
    }

    /// Acknowledgements come in order: one range instead of many removals.
    private mutating func extendRemoval(_ session: UInt32, _ sequence: UInt64) -> Bool {
        var operation = operation(at: openRemoval)
        guard operation.session == session, operation.last + 1 == sequence else { return false }
        operation.last = sequence
        // The head lies there already.
        unsafe bytes.withUnsafeMutableBytes {
            unsafe $0.storeBytes(of: operation, toByteOffset: openRemoval, as: Operation.self)
        }
        return true
    }
}
