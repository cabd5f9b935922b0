// Messages that wait or are in flight: each kept once, however many sessions it is for. A value without I/O.

import EventLoop
import Messages

/// What is known of a message that is kept.
struct KeptMessage {
    /// Where topic, payload and properties lie in the pool, adjacent as in the frames.
    var place: UInt32 = 0
    var length: UInt32 = 0
    var topicLength: UInt16 = 0
    var propertiesLength: UInt32 = 0
    /// Seconds of the store's clock at which it is of no use any more; 0: never.
    var expiresAt: UInt32 = 0
    /// Queue entries that name it.
    var references: UInt32 = 0
    /// Those of them that are to be written to the store and are not.
    var unwritten: UInt32 = 0
    /// Its number in the store where several of its rows name it; 0: none do.
    var storedAs: UInt64 = 0
}

/// The messages of all queues.
struct MessagePool: ~Copyable {
    private var messages = Table<KeptMessage>()
    /// The first unused number, each naming the next by its place.
    private var free = noEntry
    private var pool = BytePool()
    /// Messages that are kept, and their bytes.
    private(set) var count = 0
    private(set) var bytes = 0

    subscript(number: UInt32) -> KeptMessage {
        @inline(__always) get { messages[Int(number)] }
        @inline(__always) _modify { yield &messages[Int(number)] }
    }

    /// Topic, payload and properties of a message, to be used before it is released.
    @inline(__always)
    @_lifetime(immortal)
    func bytes(of number: UInt32) -> RawSpan {
        let message = messages[Int(number)]
        return pool.span(message.place, Int(message.length))
    }

    /// Keeps a message that nobody names yet; `release` it if nobody comes to.
    mutating func keep(_ bytes: RawSpan, topicLength: Int, propertiesLength: Int, expiresAt: UInt32) -> UInt32 {
        let message = KeptMessage(
            place: pool.allocate(bytes.byteCount), length: UInt32(truncatingIfNeeded: bytes.byteCount),
            topicLength: UInt16(truncatingIfNeeded: topicLength),
            propertiesLength: UInt32(truncatingIfNeeded: propertiesLength), expiresAt: expiresAt)
        var room = pool.room(message.place, bytes.byteCount)
        room.copy(bytes, at: 0)
        count += 1
        self.bytes += bytes.byteCount
        if free != noEntry {
            let number = free
            free = messages[Int(number)].place
            messages[Int(number)] = message
            return number
        }
        messages.append(message)
        return UInt32(messages.count - 1)
    }

    /// Forgets a message that nobody names.
    mutating func release(_ number: UInt32) {
        let message = messages[Int(number)]
        guard message.references == 0 else { return }
        pool.free(message.place, Int(message.length))
        count -= 1
        bytes -= Int(message.length)
        messages[Int(number)].place = free
        free = number
    }
}
