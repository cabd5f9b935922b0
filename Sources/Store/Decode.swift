// Rows of each table as values, with their checksums checked: for loading, for pages and for recovery.

/// Where a table's columns are asked for in this order, `decode` understands them.
enum Columns {
    static let session = "number, client, version, expiry_interval, expires_at, will, will_at, checksum, accepted_at"
    /// Of a store before version 4.
    static let formerSession = "number, client, version, expiry_interval, expires_at, will, will_at, checksum, 0"
    static let subscription = "id, session, filter, options, identifier, checksum"
    static let received = "key, checksum"
    static let mark = "place, bytes, checksum"
    static let seen = "id, node, count, items, checksum"
    static let queue =
        "key, state, qos, size, message, expires_at, checksum, identifiers, topic, payload, properties"
    static let message = "id, expires_at, checksum, topic, payload, properties"
    static let retained = "id, topic, qos, expires_at, checksum, payload, properties, stamp"
    /// Of a store before version 4.
    static let formerRetained = "id, topic, qos, expires_at, checksum, payload, properties, 0"
}

// What SQLite's columns point to stays until the next step of their statement; no pointer outlives its function.

extension StoredSession {
    /// `nil`: the row is not what was written.
    init?(_ row: Statement) {
        self.init(
            number: UInt32(truncatingIfNeeded: row.integer(0)), clientIdentifier: row.octets(1),
            version: UInt8(truncatingIfNeeded: row.integer(2)),
            expiryInterval: UInt32(truncatingIfNeeded: row.integer(3)), expiresAt: row.unsigned(4),
            will: row.octets(5), willAt: row.unsigned(6), acceptedAt: row.unsigned(8))
        let operation = Operation(
            kind: .putSession, session: number, number: expiresAt, last: acceptedAt, expiresAt: willAt,
            short: UInt16(version),
            long: expiryInterval)
        let sum = unsafe clientIdentifier.withUnsafeBytes { client in
            unsafe will.withUnsafeBytes { will in unsafe Checksum.session(operation, client, will) }
        }
        guard number < QueueKey.sessions, Int64(number) == row.integer(0), sum == row.integer(7) else { return nil }
    }
}

extension StoredSubscription {
    init?(_ row: Statement) {
        self.init(
            session: UInt32(truncatingIfNeeded: row.integer(1)), filter: row.octets(2),
            options: UInt8(truncatingIfNeeded: row.integer(3)), identifier: UInt32(truncatingIfNeeded: row.integer(4)))
        let operation = Operation(kind: .putSubscription, qos: options, session: session, long: identifier)
        let sum = unsafe filter.withUnsafeBytes { unsafe Checksum.subscription(operation, $0) }
        guard session < QueueKey.sessions, sum == row.integer(5) else { return nil }
    }
}

extension StoredReceived {
    init?(_ row: Statement) {
        let key = row.integer(0)
        guard key >= 0, key >> 16 < Int64(QueueKey.sessions), Checksum.received(key) == row.integer(1) else {
            return nil
        }
        self.init(session: UInt32(key >> 16), packetIdentifier: UInt16(truncatingIfNeeded: key))
    }
}

extension StoredMark {
    init?(_ row: Statement) {
        self.init(place: UInt32(truncatingIfNeeded: row.integer(0)), bytes: row.unsigned(1))
        guard Int64(place) == row.integer(0), Checksum.mark(place, bytes) == row.integer(2) else { return nil }
    }
}

extension StoredSeen {
    init?(_ row: Statement) {
        self.init(
            number: UInt32(truncatingIfNeeded: row.integer(0)), node: row.octets(1), count: row.unsigned(2),
            items: row.octets(3))
        let sum = unsafe node.withUnsafeBytes { node in
            unsafe items.withUnsafeBytes { items in unsafe Checksum.seen(number, count, node, items) }
        }
        guard Int64(number) == row.integer(0), sum == row.integer(4) else { return nil }
    }
}

extension QueuePage {
    /// A row of `queue`, without its message where that is shared.
    /// - Returns: the message's number, 0 where the bytes are already there; `nil`: the row is not what was written.
    mutating func append(_ row: Statement) -> Int64? {
        let key = row.integer(0)
        let qos = UInt8(truncatingIfNeeded: row.integer(2))
        let size = row.integer(3)
        let message = row.integer(4)
        let expiresAt = row.unsigned(5)
        let identifiers = unsafe row.bytes(7)
        let bytes: [3 of UnsafeRawBufferPointer] = unsafe [row.bytes(8), row.bytes(9), row.bytes(10)]
        let sum = unsafe Checksum.entry(
            key, qos: qos, expiresAt: expiresAt, message: message, size: size, identifiers, bytes)
        guard sum == row.integer(6), let head = DeliveryState.read(row.integer(1), key, qos: qos) else { return nil }
        let start = contents.count
        unsafe contents.append(contentsOf: identifiers)
        let (messageHead, byteCount) = unsafe contents.append(bytes, expiresAt: expiresAt)
        rows.append(
            QueuedRow(
                sequence: QueueKey.sequence(key), head: head, message: messageHead, offset: start,
                identifiersLength: identifiers.count, byteCount: byteCount))
        return message
    }

    /// The shared message of the row that was appended last.
    /// - Returns: whether the row is what was written.
    mutating func appendMessage(_ row: Statement) -> Bool {
        let bytes: [3 of UnsafeRawBufferPointer] = unsafe [row.bytes(3), row.bytes(4), row.bytes(5)]
        let expiresAt = row.unsigned(1)
        let sum = unsafe Checksum.message(5, row.integer(0), qos: 0, expiresAt: expiresAt, bytes)
        guard sum == row.integer(2) else { return false }
        let (head, byteCount) = unsafe contents.append(bytes, expiresAt: expiresAt)
        // Recovery asks without a row.
        if !rows.isEmpty {
            rows[rows.count - 1].message = head
            rows[rows.count - 1].byteCount = byteCount
        }
        return true
    }
}

extension RetainedPage {
    /// - Returns: whether the row is what was written.
    mutating func append(_ row: Statement) -> Bool {
        let bytes: [3 of UnsafeRawBufferPointer] = unsafe [row.bytes(1), row.bytes(5), row.bytes(6)]
        let qos = UInt8(truncatingIfNeeded: row.integer(2))
        let expiresAt = row.unsigned(3)
        let stamp = row.unsigned(7)
        // The number is not in the sum: the table gives it.
        let sum = unsafe Checksum.message(6, Int64(bitPattern: stamp), qos: qos, expiresAt: expiresAt, bytes)
        guard sum == row.integer(4) else { return false }
        next = row.unsigned(0)
        let start = contents.count
        let (head, byteCount) = unsafe contents.append(bytes, expiresAt: expiresAt)
        rows.append(RetainedRow(qos: qos, stamp: stamp, message: head, offset: start, byteCount: byteCount))
        return true
    }
}

extension [UInt8] {
    /// Puts topic, payload and properties behind the rest.
    @inline(__always)
    fileprivate mutating func append(
        _ bytes: [3 of UnsafeRawBufferPointer], expiresAt: UInt64
    ) -> (MessageHead, byteCount: Int) {
        let start = count
        for index in 0..<3 { unsafe append(contentsOf: bytes[index]) }
        let head = unsafe MessageHead(
            topicLength: UInt16(truncatingIfNeeded: bytes[0].count),
            propertiesLength: UInt32(truncatingIfNeeded: bytes[2].count), expiresAt: expiresAt)
        return (head, count - start)
    }
}
