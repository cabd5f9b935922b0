// How the bridge's three threads talk: each has a box that the others put things into, and is woken by that.

internal import EventLoop
internal import Synchronization

final class Mailbox<Item: Sendable>: Sendable {
    private let items = Mutex<[Item]>([])
    let wakeup: Wakeup

    init() throws(SystemError) { wakeup = try Wakeup() }

    func post(_ item: Item) {
        let wasEmpty = items.withLock { items in
            defer { items.append(item) }
            return items.isEmpty
        }
        if wasEmpty { wakeup.raise() }
    }

    func take() -> [Item] {
        items.withLock { items in
            defer { items.removeAll(keepingCapacity: items.capacity < 4096) }
            return items
        }
    }
}

/// What the threads at RabbitMQ tell the loop.
enum News: Sendable {
    case publisher(LinkState)
    case consumer(LinkState)
    /// Messages that RabbitMQ has, by their serials.
    case confirmed([UInt64])
    /// RabbitMQ has refused messages, which are sent again.
    case refused(Int)
    case unroutable(Int)
    /// A message that RabbitMQ never takes.
    case rejected
    /// Messages that are not sent again though RabbitMQ has not confirmed them: it never takes them, or nothing was promised.
    case abandoned([UInt64])
    /// Messages from RabbitMQ, of the consumer's epoch.
    case received([Incoming], epoch: UInt64)
    case unmappable(Int)
    case looped(Int)
    /// Messages of QoS 0 that RabbitMQ delivers again.
    case skipped(Int)
    /// A thread has ended, as it was told.
    case ended
}

/// How a connection to RabbitMQ stands.
enum LinkState: Sendable, Equatable {
    /// Not wanted: there is nothing to do.
    case idle
    /// It is wanted, and was not there yet.
    case connecting
    /// Where it leads.
    case up(String)
    /// Why it is not, in words.
    case down(String)
}

/// A message on its way to RabbitMQ.
struct Outgoing: Sendable, Equatable {
    /// Tells it from all others of this process.
    var serial: UInt64
    var key: [UInt8]
    var envelope: Envelope
    var payload: [UInt8]
    /// Whether it is sent again until RabbitMQ has it.
    var isKept: Bool
}

/// A message on its way from RabbitMQ.
struct Incoming: Sendable {
    /// RabbitMQ's, valid within an epoch.
    var tag: UInt64
    var message: Message
}
