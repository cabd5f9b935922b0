// Which of its messages the client of a durable session has, once everything was handled anew. Packet identifiers rise
// with each delivery, and their lowest bits say from which listener a message came, whose order is known: so those that
// were delivered and that the store does not know belong to the first of that listener's messages without one.

import EventLoop
import Messages
import Store

extension Router {
    /// A session goes on sending.
    mutating func endResumption(_ number: Int) {
        guard let resumption = resumptions.removeValue(forKey: UInt32(number)) else { return }
        sessions[number].flags.remove(.resuming)
        if resumption.isReading { resumptionReads -= 1 }
        if resumption.isVolatile {
            list(number)
        } else {
            assignDelivered(number, resumption)
            settleInFlight(number, resumption)
        }
        if !sessions[number].isConnected {
            redistribute(number)
            park(number)
        }
        sessions[number].queue.cursor = sessions[number].queue.first
        if sessions[number].queue.waiting > 0 { wait(number) }
    }

    /// Gives messages the identifiers that they were delivered with; those that were acknowledged are done.
    private mutating func assignDelivered(_ number: Int, _ resumption: Resumption) {
        let acknowledged = Set(resumption.acknowledged)
        let unknown = resumption.window.filter { sessions[number].outgoing[$0] == nil } + resumption.acknowledged
        // How long ago each was assigned, by how many more have been since.
        func age(_ identifier: UInt16) -> Int { (Int(resumption.last) - Int(identifier) + 65_535) % 65_535 }
        var next = [UInt32](repeating: sessions[number].queue.first, count: 16)
        for identifier in unknown.sorted(by: { age($0) > age($1) }) {
            let origin = Int(identifier & 15)
            var entry = next[origin]
            while entry != noEntry, !mayHaveBeenDelivered(entry, origin) { entry = queues[entry].next }
            next[origin] = entry
            let isDone = acknowledged.contains(identifier)
            guard entry != noEntry else {
                // Nothing is known of it but that it is in use.
                if !isDone, !resumption.isOver { sessions[number].outgoing.insert(.init(identifier, .unknown)) }
                continue
            }
            next[origin] = queues[entry].next
            if isDone {
                for other in next.indices where next[other] == entry { next[other] = queues[entry].next }
                finish(entry)
            } else {
                queues[entry].packetIdentifier = identifier
                queues[entry].flags.insert(.sent)
                durables[Int(sessions[number].durable)].notResent += 1
                sessions[number].outgoing.insert(
                    .init(identifier, queues[entry].qos == 2 ? .receipt : .acknowledgement, entry: entry))
            }
        }
    }

    /// Whether an entry without an identifier may have been given one that the store does not know.
    private func mayHaveBeenDelivered(_ entry: UInt32, _ origin: Int) -> Bool {
        queues[entry].packetIdentifier == 0 && Int(queues[entry].origin) == origin
            && !queues[entry].flags.contains(.undelivered)
            // At QoS 2 identifiers are on disk before they are used.
            && (queues[entry].qos == 1 || (queues[entry].qos == 2 && !waitsForDisk))
    }

    /// What the client has not acknowledged is in flight; the rest is sent.
    private mutating func settleInFlight(_ number: Int, _ resumption: Resumption) {
        let window = resumption.isOver ? [] : Set(resumption.window)
        var entry = sessions[number].queue.first
        while entry != noEntry {
            if queues[entry].packetIdentifier != 0, window.contains(queues[entry].packetIdentifier) { delist(entry) }
            queues[entry].flags.remove(.undelivered)
            entry = queues[entry].next
        }
    }
}
