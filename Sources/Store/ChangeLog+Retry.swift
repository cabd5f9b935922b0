// What is tried again when a transaction failed for want of room: everything but the messages. Called by the router,
// which then refuses those messages to their publishers.

/// A message that `withoutMessages` left out.
package enum DroppedMessage: Equatable, Sendable {
    /// - Parameter bytes: topic, payload and properties.
    case entry(session: UInt32, sequence: UInt64, bytes: UInt64)
    case retained(topic: [UInt8])
}

extension ChangeLog {
    /// The same changes without any new message: an entry or a message is removed instead of put, in case the failed
    /// transaction is on disk after all; a retained message is left as it was.
    package func withoutMessages() -> (log: ChangeLog, dropped: [DroppedMessage]) {
        var log = ChangeLog()
        var dropped: [DroppedMessage] = []
        var offset = 0
        while offset < bytes.count {
            let operation = operation(at: offset)
            let start = offset + Operation.size
            let end = start + Int(operation.byteCount)
            switch operation.kind {
            case .putEntry, .putSharedEntry:
                let isShared = operation.kind == .putSharedEntry
                let size = isShared ? UInt64(operation.long) : operation.byteCount - UInt64(operation.firstLength)
                dropped.append(.entry(session: operation.session, sequence: operation.number, bytes: size))
                log.removeEntry(operation.session, operation.number)
            case .putMessage:
                log.append(Operation(kind: .removeMessage, number: operation.number))
            case .putRetained:
                dropped.append(.retained(topic: Array(bytes[start..<start + Int(operation.topicLength)])))
            default:
                let first = start + Int(operation.firstLength)
                log.append(
                    operation, bytes.span.raw.extracting(start..<first), bytes.span.raw.extracting(first..<end))
            }
            offset = end
        }
        return (log, dropped)
    }
}
