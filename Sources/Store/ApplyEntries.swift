// Queue entries and their messages, on the writer thread. A message with one recipient lies in its queue's row, unless
// it is so long that changing the row's state would copy much; the others lie in `message`, counted in `reference`.

extension Applier {
    /// Bytes from which a message does not lie in the queue's row.
    static var longestInline: Int { 4096 }

    func insert(
        _ operation: Operation, _ identifiers: UnsafeRawBufferPointer, _ bytes: UnsafeRawBufferPointer
    ) throws(SQLiteFailure) {
        let key = QueueKey.make(operation.session, operation.number)
        var message = Int64(operation.last)
        var expiresAt = operation.expiresAt
        var size = Int64(operation.long)
        let nothing = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        var parts: [3 of UnsafeRawBufferPointer] = unsafe [nothing, nothing, nothing]
        if operation.kind == .putEntry {
            size = Int64(bytes.count)
            if bytes.count > Self.longestInline {
                // No number of the router's is negative, and no other entry has this key.
                message = -key
                try unsafe insertMessage(message, references: 1, operation.messageHead, bytes)
                expiresAt = 0
            } else {
                unsafe parts = operation.messageHead.parts(of: bytes)
            }
        }
        let statement = insertEntry
        statement.bind(1, key)
        let state = DeliveryState.make(
            key, packetIdentifier: operation.short, stage: operation.stage, flags: operation.flags)
        statement.bind(2, state)
        statement.bind(3, Int64(operation.qos))
        statement.bind(4, size)
        statement.bind(5, message)
        statement.bind(6, expiresAt)
        let sum = unsafe Checksum.entry(
            key, qos: operation.qos, expiresAt: expiresAt, message: message, size: size, identifiers, parts)
        statement.bind(7, sum)
        if identifiers.count > 0 { unsafe statement.bind(8, blob: identifiers) } else { statement.bindNull(8) }
        unsafe statement.bind(9, text: parts[0])
        unsafe statement.bind(10, blob: parts[1])
        unsafe statement.bind(11, blob: parts[2])
        try statement.run()
        if connection.changes == 0 {
            // The transaction is tried again, and was on disk after all. Its message was put anew by this log, with all
            // its references, so the old entry takes none off.
            try remove(key)
            try statement.run()
        }
        count(operation.session, messages: 1, bytes: size)
    }

    func insertMessage(
        _ id: Int64, references: Int64, _ head: MessageHead, _ bytes: UnsafeRawBufferPointer
    ) throws(SQLiteFailure) {
        let parts = unsafe head.parts(of: bytes)
        insertMessage.bind(1, id)
        insertMessage.bind(2, head.expiresAt)
        insertMessage.bind(3, unsafe Checksum.message(5, id, qos: 0, expiresAt: head.expiresAt, parts))
        unsafe insertMessage.bind(4, text: parts[0])
        unsafe insertMessage.bind(5, blob: parts[1])
        unsafe insertMessage.bind(6, blob: parts[2])
        try insertMessage.run()
        dereferenced[id] = nil
        putReference.bind(1, id)
        putReference.bind(2, references)
        try putReference.run()
    }

    func assign(_ operation: Operation) throws(SQLiteFailure) {
        let key = QueueKey.make(operation.session, operation.number)
        updateEntry.bind(1, key)
        let state = DeliveryState.make(
            key, packetIdentifier: operation.short, stage: operation.stage, flags: operation.flags)
        updateEntry.bind(2, state)
        try updateEntry.run()
    }

    func trim(_ session: UInt32, messages: UInt64, bytes: UInt64) throws(SQLiteFailure) -> Trimmed {
        var gone = Trimmed(session: session, messages: 0, bytes: 0)
        guard messages > 0 || bytes > 0 else { return gone }
        var doomed: [UInt64] = []
        selectStates.bind(1, QueueKey.make(session, 0))
        selectStates.bind(2, QueueKey.make(session, QueueKey.sequences - 1))
        while gone.messages < messages || gone.bytes < bytes, try selectStates.step() {
            // A receiver knows those that have an identifier.
            guard DeliveryState.packetIdentifier(selectStates.integer(2)) == 0 else { continue }
            gone.messages += 1
            gone.bytes &+= selectStates.unsigned(1)
            doomed.append(QueueKey.sequence(selectStates.integer(0)))
        }
        selectStates.reset()
        for sequence in doomed { _ = try remove(session, from: sequence, through: sequence) }
        return gone
    }

    /// Removes entries and what only they named.
    func remove(
        _ session: UInt32, from first: UInt64, through last: UInt64
    ) throws(SQLiteFailure) -> Trimmed {
        var gone = Trimmed(session: session, messages: 0, bytes: 0)
        selectEntries.bind(1, QueueKey.make(session, first))
        selectEntries.bind(2, QueueKey.make(session, last))
        while try selectEntries.step() {
            gone.messages += 1
            gone.bytes &+= selectEntries.unsigned(1)
            let message = selectEntries.integer(2)
            if message != 0 { dereferenced[message, default: 0] += 1 }
        }
        selectEntries.reset()
        guard gone.messages > 0 else { return gone }
        deleteEntries.bind(1, QueueKey.make(session, first))
        deleteEntries.bind(2, QueueKey.make(session, last))
        try deleteEntries.run()
        count(session, messages: -Int64(gone.messages), bytes: 0 &- Int64(truncatingIfNeeded: gone.bytes))
        return gone
    }

    /// Removes one entry and leaves the references of its message.
    private func remove(_ key: Int64) throws(SQLiteFailure) {
        selectEntries.bind(1, key)
        selectEntries.bind(2, key)
        let size = try selectEntries.step() ? selectEntries.integer(1) : 0
        selectEntries.reset()
        deleteEntries.bind(1, key)
        deleteEntries.bind(2, key)
        try deleteEntries.run()
        count(QueueKey.session(key), messages: -1, bytes: -size)
    }

    func removeMessage(_ id: Int64) throws(SQLiteFailure) {
        deleteMessage.bind(1, id)
        try deleteMessage.run()
        deleteReference.bind(1, id)
        try deleteReference.run()
    }

    /// Takes the references off that this transaction's removals held, and removes messages that have none left.
    func dereference() throws(SQLiteFailure) {
        for (id, entries) in dereferenced {
            // A message of one entry, which is gone.
            if id < 0 {
                try removeMessage(id)
                continue
            }
            subtractReferences.bind(1, id)
            subtractReferences.bind(2, entries)
            try subtractReferences.run()
            deleteUnreferenced.bind(1, id)
            try deleteUnreferenced.run()
            guard connection.changes > 0 else { continue }
            deleteMessage.bind(1, id)
            try deleteMessage.run()
        }
        dereferenced.removeAll(keepingCapacity: true)
    }
}
