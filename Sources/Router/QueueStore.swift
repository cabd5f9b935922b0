// Messages that wait for sessions: each stored once, however many sessions it waits for; the queues are lists of entries
// in one flat table. A value without I/O.

/// A message that waits.
struct StoredMessage {
    /// Topic, payload and properties, adjacent as in the frames.
    var bytes: [UInt8] = []
    var topicLength = 0
    var propertiesLength = 0
    /// Queue entries that name it.
    var references = 0
}

/// A message's place in one session's queue.
struct QueueEntry {
    var message: UInt32 = 0
    /// The next entry of the queue; `noEntry` at its end.
    var next = noEntry
    var qos: UInt8 = 0
    var retain = false
    /// Subscription identifiers go with this session's copy, encoded as properties before the message's own.
    var identifiers: [UInt8] = []
}

/// One session's queue: its entries' list and what they add up to.
struct MessageQueue {
    var first = noEntry
    var last = noEntry
    var count = 0
    /// Of topic, payload and properties.
    var bytes = 0

    var isEmpty: Bool { count == 0 }
}

let noEntry = UInt32.max

/// The storage behind all queues.
struct QueueStore {
    private(set) var messages: [StoredMessage] = []
    private(set) var entries: [QueueEntry] = []
    private var freeMessages: [UInt32] = []
    private var freeEntries: [UInt32] = []
    /// Bytes of all stored messages.
    private(set) var bytes = 0

    /// Stores a message that no queue names yet; `release` it if none comes to.
    mutating func store(_ bytes: [UInt8], topicLength: Int, propertiesLength: Int) -> UInt32 {
        let message = StoredMessage(bytes: bytes, topicLength: topicLength, propertiesLength: propertiesLength)
        self.bytes += bytes.count
        if let number = freeMessages.popLast() {
            messages[Int(number)] = message
            return number
        }
        messages.append(message)
        return UInt32(messages.count - 1)
    }

    /// Forgets a message that no queue names.
    mutating func release(_ number: UInt32) {
        guard messages[Int(number)].references == 0 else { return }
        bytes -= messages[Int(number)].bytes.count
        messages[Int(number)] = StoredMessage()
        freeMessages.append(number)
    }

    /// Puts a message at the end of a queue.
    mutating func append(_ entry: QueueEntry, to queue: inout MessageQueue) {
        messages[Int(entry.message)].references += 1
        let number: UInt32
        if let free = freeEntries.popLast() {
            entries[Int(free)] = entry
            number = free
        } else {
            entries.append(entry)
            number = UInt32(entries.count - 1)
        }
        if queue.isEmpty {
            queue.first = number
        } else {
            entries[Int(queue.last)].next = number
        }
        queue.last = number
        queue.count += 1
        queue.bytes += messages[Int(entry.message)].bytes.count
    }

    /// The entry at the front.
    func first(of queue: MessageQueue) -> QueueEntry? {
        queue.isEmpty ? nil : entries[Int(queue.first)]
    }

    /// Takes the front entry off, and forgets its message if it was the last to name it.
    mutating func removeFirst(from queue: inout MessageQueue) {
        guard !queue.isEmpty else { return }
        let number = queue.first
        let entry = entries[Int(number)]
        queue.first = entry.next
        queue.count -= 1
        queue.bytes -= messages[Int(entry.message)].bytes.count
        entries[Int(number)] = QueueEntry()
        freeEntries.append(number)
        messages[Int(entry.message)].references -= 1
        release(entry.message)
    }
}
