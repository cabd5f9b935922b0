// Sessions' queues: what happens when a session can not take a message now, and when it can again.

import MQTT
import Messages

extension Router {
    /// Puts an entry at the end of a session's queue, within its limits.
    mutating func enqueue(_ number: Int, _ entry: QueueEntry) {
        let size = queues.messages[Int(entry.message)].bytes.count
        // One that is larger than the whole queue may be makes no room by dropping the others.
        if size > Int(settings.queueBytes), settings.queuePolicy == .dropOldest { return count(.messagesDropped) }
        while sessions[number].queue.count >= Int(settings.queueMessages)
            || sessions[number].queue.bytes + size > Int(settings.queueBytes)
        {
            count(.messagesDropped)
            switch settings.queuePolicy {
            case .dropNewest: return
            case .disconnect:
                if !condemned.contains(number) { condemned.append(number) }
                return
            case .dropOldest:
                queues.removeFirst(from: &sessions[number].queue)
            }
        }
        queues.append(entry, to: &sessions[number].queue)
        count(.messagesQueued)
    }

    /// Notes that a session's queue is to be looked at when its link is flushed or gets room.
    mutating func wait(_ number: Int) {
        guard !sessions[number].flags.contains(.waiting), sessions[number].link >= 0 else { return }
        sessions[number].flags.insert(.waiting)
        links[Int(sessions[number].link)].waiting.append(UInt32(number))
        links[Int(sessions[number].link)].isTouched = true
    }

    /// Sends what the sessions that wait on a link can take now, each a little in turn, so that none starves.
    mutating func drainWaiting(_ link: Int) {
        guard !links[link].waiting.isEmpty, links[link].hasRoom else { return }
        let waiting = links[link].waiting
        links[link].waiting.removeAll(keepingCapacity: true)
        for entry in waiting {
            let number = Int(entry)
            guard sessions[number].link == Int32(link) else { continue }
            sessions[number].flags.remove(.waiting)
            drain(number, link)
            if links[link].batch >= 0, links[link].outputEnd - links[link].batch > ListenerLink.batchLength {
                links[link].closeBatch()
            }
            // Only a full link keeps it waiting; its window or its connection wake it up by themselves.
            if !sessions[number].queue.isEmpty, !isBlocked(number) { wait(number) }
        }
    }

    /// Messages of one queue that are sent in a row.
    private static var burst: Int { 64 }

    private mutating func drain(_ number: Int, _ link: Int) {
        for _ in 0..<Self.burst {
            guard !isBlocked(number), links[link].hasRoom else { return }
            guard let entry = queues.first(of: sessions[number].queue) else { return }
            send(entry, number, link)
            queues.removeFirst(from: &sessions[number].queue)
        }
    }

    /// Whether the session itself can take nothing: its connection is congested, or its window full.
    private func isBlocked(_ number: Int) -> Bool {
        if sessions[number].flags.contains(.congested) { return true }
        guard let entry = queues.first(of: sessions[number].queue) else { return false }
        return entry.qos > 0 && sessions[number].outgoing.count >= Int(sessions[number].receiveMaximum)
    }

    /// A Deliver frame for one session.
    private mutating func send(_ entry: QueueEntry, _ number: Int, _ link: Int) {
        let message = queues.messages[Int(entry.message)]
        let bytes = entry.identifiers.isEmpty ? message.bytes : message.bytes + entry.identifiers
        openDelivery(
            link, bytes.span.raw, topicLength: message.topicLength,
            propertiesLength: message.propertiesLength + entry.identifiers.count)
        appendRecipient(number, link, entry.qos, entry.retain)
        closeDeliveries()
    }

    /// Forgets everything that waits for a session.
    mutating func clearQueue(_ number: Int) {
        while !sessions[number].queue.isEmpty { queues.removeFirst(from: &sessions[number].queue) }
    }
}
