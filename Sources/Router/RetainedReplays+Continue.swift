// Gives retained messages to new subscriptions, a part a turn, to each session as it can take them.
//
// Called at every turn and right after SUBSCRIBE. Nothing here is fatal.

import EventLoop
import MQTT
import Messages

extension Router {
    /// Begins to give a new subscription what is retained under its filter. Where the session is still being given
    /// what an earlier subscription with this filter asked for, that begins anew [MQTT-3.8.4-3].
    mutating func replayRetained(_ number: Int, _ filter: [UInt8], qos: UInt8, identifier: UInt32) {
        // It goes on already, if the former router had begun it.
        if replay.isActive, isReplaying(number, filter) { return }
        stopReplay(number, filter)
        var properties: [UInt8] = []
        if identifier != 0, sessions[number].version == ProtocolVersion.v5.rawValue {
            properties.append(0x0B)
            VariableByteInteger.append(Int(identifier), to: &properties)
        }
        let position = replays.append(
            RetainedReplay(filter: filter, qos: qos, properties: properties), to: UInt32(number))
        replays.sessions[position].isChanged = true
        // Most get all that there is at once. Where nothing is left of what the last turn could give, the next one
        // begins with this. While messages are still being loaded, all wait until there are all.
        if !isLoadingRetained { _ = advance(position) }
        listReplays(number)
    }

    private func isReplaying(_ number: Int, _ filter: [UInt8]) -> Bool {
        guard let position = replays.position(of: UInt32(number)) else { return false }
        let waiting = replays.sessions[position].waiting
        return waiting[replays.sessions[position].first...].contains { $0.filter == filter }
    }

    /// No message is added for a filter that was unsubscribed [MQTT-3.10.4-2].
    mutating func stopReplay(_ number: Int, _ filter: [UInt8]) {
        guard let position = replays.position(of: UInt32(number)) else { return }
        let waiting = replays.sessions[position].waiting
        for index in replays.sessions[position].first..<waiting.count where waiting[index].filter == filter {
            retained.end(&replays.sessions[position].waiting[index].cursor)
            replays.sessions[position].waiting.remove(at: index)
            replays.sessions[position].isChanged = true
            if index == replays.sessions[position].first { replays.sessions[position].forgetGiven() }
            return listReplays(number)
        }
    }

    /// A session is over, and its number may be used again.
    mutating func endReplays(_ number: Int) {
        replays.told.remove(UInt32(number))
        guard let position = replays.position(of: UInt32(number)) else { return }
        for index in replays.sessions[position].first..<replays.sessions[position].waiting.count {
            retained.end(&replays.sessions[position].waiting[index].cursor)
        }
        replays.remove(at: position)
    }

    /// Gives out what a turn may, the sessions taking turns.
    mutating func continueReplays() {
        guard !isLoadingRetained else { return }
        replays.beginTurn()
        var stuck = 0
        var moved = false
        while stuck < replays.sessions.count, replays.hasBudget {
            if replays.next >= replays.sessions.count { replays.next = 0 }
            replays.steps -= 1
            switch advance(replays.next) {
            case .finished:
                moved = true
            case .moved:
                replays.next += 1
                stuck = 0
                moved = true
            case .stuck:
                replays.next += 1
                stuck += 1
            }
        }
        replays.canGoOn = moved && stuck < replays.sessions.count
        clearExpiredRetained()
    }

    private enum Advance { case moved, stuck, finished }

    /// Messages that one session gets in a row.
    private static var burst: Int { 16 }

    /// Gives one session a few messages.
    private mutating func advance(_ position: Int) -> Advance {
        var advance = Advance.stuck
        for _ in 0..<Self.burst where replays.hasBudget {
            let replay = replays.sessions[position].first
            guard replay < replays.sessions[position].waiting.count else {
                listReplays(Int(replays.sessions[position].session))
                replays.remove(at: position)
                return .finished
            }
            guard mayTake(replays.sessions[position], bytes: 0) else { return advance }
            switch findNext(position, replay) {
            case .message(let message):
                let fits = give(message, position, replay)
                replays.sessions[position].waiting[replay].isHolding = !fits
                guard fits else { return advance }
                replays.messages -= 1
            case .nothingYet: break
            case .finished:
                guard replays.sessions[position].queued == 0 else { return advance }
                replays.sessions[position].removeFirst()
                listReplays(Int(replays.sessions[position].session))
            }
            advance = .moved
        }
        return advance
    }

    private mutating func findNext(_ position: Int, _ replay: Int) -> RetainedSet.Finding {
        let held = replays.sessions[position].waiting[replay]
        // What it could not take may have been replaced meanwhile, or cleared.
        if held.isHolding, retained.current(held.cursor) != none { return .message(retained.current(held.cursor)) }
        return retained.next(
            &replays.sessions[position].waiting[replay].cursor, filter: held.filter.span, budget: &replays.steps)
    }

    /// Hands a message to the session, or into its queue.
    /// - Returns: false when it has to wait.
    private mutating func give(_ message: UInt32, _ position: Int, _ index: Int) -> Bool {
        let replay = replays.sessions[position].waiting[index]
        let number = Int(replays.sessions[position].session)
        let kept = retained[message]
        if isOver(kept.expiresAt) {
            expiredRetained.append(retained.topic(of: message))
            return true
        }
        if !replays.sessions[position].skipped.isEmpty, wasGiven(message, position) { return true }
        let qos = min(kept.qos, replay.qos)
        let isDirect = canTake(number, qos) && (qos == 0 || !sessions[number].isDurable)
        guard
            isDirect || canTake(number, qos)
                || mayTake(replays.sessions[position], bytes: kept.size + replay.properties.count)
        else { return false }
        var bytes: [UInt8] = []
        retained.copy(message, properties: replay.properties, into: &bytes)
        let outgoing = Outgoing(
            bytes.span.raw, topicLength: Int(kept.topicLength),
            propertiesLength: Int(kept.propertiesLength) + replay.properties.count, qos: qos, retain: true,
            expiresAt: kept.expiresAt)
        let hash = replays.sessions[position].hash(bytes.span.extracting(0..<Int(kept.topicLength)))
        // To a new subscription it goes with the flag [MQTT-3.3.1-8].
        if isDirect {
            let link = Int(sessions[number].link)
            openDelivery(link, outgoing)
            if kept.expiresAt != 0 { patchExpiry(link, outgoing, kept.expiresAt) }
            appendRecipient(number, link, qos, true)
            closeDeliveries()
            noteGiven(number, hash)
        } else {
            queueRetained(position, number, outgoing, hash)
        }
        return true
    }

    private func wasGiven(_ message: UInt32, _ position: Int) -> Bool {
        let topic = retained.topic(of: message)
        return replays.sessions[position].skipped.contains(replays.sessions[position].hash(topic.span))
    }

    /// Entries of a queue up to which it takes retained messages; the rest is for new ones.
    private static var shortQueue: UInt32 { 64 }

    /// Whether the session may get one more, at once or into its queue. It is queued only where others wait already,
    /// or new messages would keep it waiting for ever; and the queue stays so short, at most half of its limits, that
    /// retained messages never make it drop anything.
    private func mayTake(_ replays: SessionReplays, bytes: Int) -> Bool {
        let number = Int(replays.session)
        // A message of `bytes` 0 is not known yet: it may be of the subscription's QoS.
        if bytes == 0, canTake(number, replays.waiting[replays.first].qos) { return true }
        let queue = sessions[number].queue
        return queue.waiting > 0 && queue.waiting < min(Self.shortQueue, settings.queueMessages / 2)
            && queue.bytes + UInt64(bytes) <= settings.queueBytes / 2
    }
}
