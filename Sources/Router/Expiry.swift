// What ends by the clock: sessions whose clients stay away, wills that were put off, messages that are of no use any
// more. All of it by the store's clock, which goes on over restarts; never early, and up to two seconds late.

import EventLoop
import MQTT
import Messages
import Store

extension Router {
    /// Sessions that are looked at in one turn.
    private static var sweep: Int { 2048 }

    /// Looks at all sessions once a second, a part of them each turn.
    ///
    /// - Returns: whether it has to go on in the next turn.
    mutating func expire() -> Bool {
        if sweeping == 0 {
            guard clock.isCertain, now != sweptAt else { return false }
            sweptAt = now
            publishDelayedWills()
            countIdentifiers()
            sweepCleared()
        }
        let end = min(sweeping + Self.sweep, sessions.count)
        for number in sweeping..<end
        where sessions.has(number) && sessions[number].flags.contains([.away, .durable]) {
            let endsAt = durables[Int(sessions[number].durable)].endsAt
            guard endsAt != 0, endsAt < now else { continue }
            count(.sessionsExpired)
            logExpired(number)
            self.end(number, publishWill: true)
        }
        sweeping = end == sessions.count ? 0 : end
        return sweeping != 0
    }

    /// Retained messages and cleared topics that are looked at once a second.
    private static var sweepOfRetained: UInt32 { 4096 }

    /// Finds topics that were cleared so long ago that nobody needs to know it any more: no subscription ever meets them.
    private mutating func sweepCleared() {
        guard retained.cleared > 0 else { return }
        let numbers = retained.numbers.upperBound
        if nextCleared >= numbers { nextCleared = 0 }
        let end = min(nextCleared + Self.sweepOfRetained, numbers)
        for number in nextCleared..<end
        where retained.has(number) && retained[number].isCleared && isOver(retained[number].expiresAt) {
            expiredRetained.append(retained.topic(of: number))
        }
        nextCleared = end
    }

    private mutating func publishDelayedWills() {
        guard !delayedWills.isEmpty else { return }
        for (number, time) in delayedWills where time < now {
            delayedWills[number] = nil
            guard let will = wills.removeValue(forKey: number) else { continue }
            storeSession(Int(number))
            publish(will)
        }
    }

    // MARK: messages

    /// When a message is of no use any more, in seconds of the store's clock; 0: never.
    func expiry(of message: Outgoing) -> UInt32 {
        guard message.expiresAt == 0 else { return message.expiresAt }
        guard message.propertiesLength > 0, let interval = interval(of: message) else { return 0 }
        return max(1, UInt32(clamping: UInt64(now) + UInt64(interval)))
    }

    private func interval(of message: Outgoing) -> UInt32? {
        let start = message.bytes.byteCount - message.propertiesLength
        guard
            let place = PropertyIdentifier.find(
                .messageExpiryInterval, message.bytes.octets, start..<message.bytes.byteCount)
        else { return nil }
        return message.bytes.load32(at: place).byteSwapped
    }

    /// Whether a message's time is over. Seconds are whole ones: it lives up to one more than it was given.
    func isOver(_ expiresAt: UInt32) -> Bool { expiresAt != 0 && expiresAt < now && clock.isCertain }

    /// Retained messages that were met when their time was over go [MQTT-3.3.2-5].
    mutating func clearExpiredRetained() {
        guard !expiredRetained.isEmpty else { return }
        for topic in expiredRetained {
            let number = retained.find(topic.span)
            // It may have been replaced meanwhile.
            guard number != none, isOver(retained[number].expiresAt) else { continue }
            if !retained[number].isCleared { count(.messagesExpired) }
            retained.clear(topic.span)
            log.removeRetained(topic.span.raw)
        }
        expiredRetained = []
    }

    func isExpired(_ entry: UInt32) -> Bool {
        guard queues[entry].message != noEntry else { return false }
        let expiresAt = queues.messages[queues[entry].message].expiresAt
        // What the client may have begun to receive is sent to the end.
        return isOver(expiresAt) && !queues[entry].flags.contains(.sent)
    }

    /// Writes what is left of its time into the Deliver frame that a message has on a link [MQTT-3.3.2-6].
    mutating func patchExpiry(_ link: Int, _ message: Outgoing, _ expiresAt: UInt32) {
        let start = links[link].delivery + DeliverFrame.headByteCount
        let length = message.bytes.byteCount
        var span = links[link].output.mutableSpan(start, length)
        guard
            let place = PropertyIdentifier.find(
                .messageExpiryInterval, span.bytes.octets, (length - message.propertiesLength)..<length)
        else { return }
        span.store((expiresAt > now ? expiresAt - now : 1).byteSwapped, at: place)
    }
}
