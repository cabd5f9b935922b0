// What was published on a channel and is not confirmed: RabbitMQ counts a channel's messages from 1, and confirms one of them,
// or all up to one (RabbitMQ's confirm.select). A value.

struct ConfirmWindow {
    /// From `head` on: the messages whose numbers follow `base`; nil: it is done with.
    private var messages: [Outgoing?] = []
    private var head = 0
    private var base: UInt64 = 1
    private(set) var count = 0

    /// A message was published.
    mutating func append(_ message: Outgoing) {
        messages.append(message)
        count += 1
    }

    /// Takes out the message of a number, or all up to it.
    mutating func settle(_ tag: UInt64, isMultiple: Bool) -> [Outgoing] {
        let end = base + UInt64(messages.count - head)
        guard tag >= base, tag < end else { return [] }
        let index = head + Int(tag - base)
        var settled: [Outgoing] = []
        for place in (isMultiple ? head : index)...index {
            guard let message = messages[place] else { continue }
            messages[place] = nil
            settled.append(message)
        }
        count -= settled.count
        while head < messages.count, messages[head] == nil {
            head += 1
            base += 1
        }
        if head == messages.count {
            messages.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 4096, head * 2 > messages.count {
            messages.removeFirst(head)
            head = 0
        }
        return settled
    }

    /// The channel is gone: what was not confirmed, in order; numbers begin anew.
    mutating func reset() -> [Outgoing] {
        let left = messages[head...].compactMap { $0 }
        self = ConfirmWindow()
        return left
    }
}
