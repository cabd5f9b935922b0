// Deliveries of RabbitMQ's that are not acknowledged to it, in the order of their tags: those that are done are acknowledged
// together, up to the first that is not. A value.

struct DeliveryLedger {
    private enum State {
        case pending, done
        /// Was refused, each by itself.
        case gone
    }

    private var tags: [UInt64] = []
    private var states: [State] = []
    private var head = 0

    /// Whether nothing is left to be acknowledged.
    var isEmpty: Bool { head == tags.count }

    /// - Parameter tag: greater than those before it.
    mutating func add(_ tag: UInt64) {
        tags.append(tag)
        states.append(.pending)
    }

    mutating func finish(_ tag: UInt64) { mark(tag, .done) }

    mutating func remove(_ tag: UInt64) { mark(tag, .gone) }

    private mutating func mark(_ tag: UInt64, _ state: State) {
        var (low, high) = (head, tags.count)
        while low < high {
            let middle = (low + high) / 2
            if tags[middle] < tag { low = middle + 1 } else { high = middle }
        }
        if low < tags.count, tags[low] == tag { states[low] = state }
    }

    /// The last of those at the beginning that are done; with it all before it are acknowledged.
    mutating func takeDone() -> UInt64? {
        var last: UInt64?
        while head < tags.count, states[head] != .pending {
            if states[head] == .done { last = tags[head] }
            head += 1
        }
        if head == tags.count {
            tags.removeAll(keepingCapacity: true)
            states.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 4096, head * 2 > tags.count {
            tags.removeFirst(head)
            states.removeFirst(head)
            head = 0
        }
        return last
    }
}
