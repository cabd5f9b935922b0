// What an earlier router left in the store: sessions and subscriptions before anybody is served, as far as their clients
// were connected or they are few (WakeSessions.swift has the others), retained messages by and by while everybody is.

import EventLoop
import Journal
import MQTT
import Messages
import Store

extension Router {
    /// Takes over sessions, subscriptions and identifiers. Called once, before the router is ready.
    mutating func loadSessions() {
        let contents = store.takeContents()
        sessionCount = contents.loaded.sessions.count + contents.asleep
        // Twice what there is: those who come beside are not to move what is there.
        sessions.reserve(2 * contents.highestNumber + 2)
        sessions.leaveOut(upTo: contents.highestNumber + 1)
        load(contents.loaded)
        if contents.asleep > 0 { sleepers = Sleepers(numbers: sessions.count) } else { endWaking() }
        for mark in contents.marks { storedMarks[mark.place] = mark.bytes }
        seen.load(contents.seen)
        isLoadingRetained = true
    }

    /// Lets the retained messages come. Not before everybody is served: their reader would have a share in the time of that.
    func requestRetained() { store.requestRetained(after: 0, rows: Self.retainedRows) }

    /// Takes over sessions that are not there yet, each with all that belongs to it.
    mutating func load(_ stored: StoredSessions) {
        for session in stored.sessions {
            let number = Int(session.number)
            sessions.put(Session(session), at: number)
            clients.insert(session.number, session.clientIdentifier)
            makeDurable(number, session.expiryInterval)
            durables[Int(sessions[number].durable)].endsAt = UInt32(clamping: session.expiresAt)
            wills[session.number] = Self.will(session.will)
            if session.willAt != 0 { delayedWills[session.number] = UInt32(clamping: session.willAt) }
        }
        for subscription in stored.subscriptions {
            _ = try? tree.subscribe(
                subscription.filter.span, session: subscription.session, options: subscription.options,
                identifier: subscription.identifier)
        }
        for received in stored.received {
            sessions[Int(received.session)].incoming.insert(.init(received.packetIdentifier, .release))
        }
        for backlog in stored.backlogs {
            let number = Int(backlog.session)
            let durable = Int(sessions[number].durable)
            durables.setStored(UInt32(clamping: backlog.messages), bytes: backlog.bytes, of: durable)
            durables[durable].nextSequence = backlog.lastSequence + 1
            sessions[number].queue.waiting = UInt32(clamping: backlog.messages)
            sessions[number].queue.bytes = backlog.bytes
            backlogs.nextSequence = max(backlogs.nextSequence, backlog.lastSequence + 1)
        }
    }

    /// Who was connected when the last router ended, and is not now, is away since then.
    mutating func leaveAll() {
        for number in sessions.indices
        where sessions.has(number) && sessions[number].flags.isSuperset(of: [.durable, .away]) {
            let durable = Int(sessions[number].durable)
            guard durables[durable].endsAt == 0 else { continue }
            let expiry = durables[durable].expiry
            guard expiry > 0 else {
                end(number, publishWill: true)
                continue
            }
            durables[durable].endsAt = endOfSession(after: expiry)
            if let will = wills[UInt32(number)], delayedWills[UInt32(number)] == nil {
                delayedWills[UInt32(number)] = now &+ min(will.delay, expiry)
            }
            storeSession(number)
        }
    }

    /// Whether something of the store could be loaded now.
    var canLoad: Bool { !sleepers.isEmpty || retainedPage != nil }

    /// Milliseconds between two pieces while there is something else to do.
    private static var loadInterval: UInt64 { 5 }

    /// Loads one more piece. Those who are being served come first, but for those who wait for retained messages.
    mutating func loadMore(isBusy: Bool) {
        guard !isBusy || milliseconds >= loadedAt + Self.loadInterval || !replays.sessions.isEmpty else { return }
        loadedAt = milliseconds
        if !loadRetained(), !sleepers.isEmpty { wakeSome() }
    }

    /// - Returns: false where no piece of the retained messages has come.
    mutating func loadRetained() -> Bool {
        guard let page = retainedPage.take() else { return false }
        load(page)
        return true
    }

    private static var retainedRows: Int { 256 }

    /// A piece of the retained messages has come. What has changed since the start is not undone by what was stored.
    private mutating func load(_ page: borrowing RetainedPage) {
        for row in page.rows {
            let octets = page.bytes(of: row).octets
            let topic = octets.extracting(0..<Int(row.message.topicLength))
            if !retainedSinceStart.isEmpty, retainedSinceStart.contains(topic.raw.array) { continue }
            let payloadEnd = octets.count - Int(row.message.propertiesLength)
            if isOver(UInt32(clamping: row.message.expiresAt)) { expiredRetained.append(topic.raw.array) }
            do throws(RetainedRefused) {
                try retained.set(
                    topic, payload: octets.extracting(Int(row.message.topicLength)..<payloadEnd),
                    properties: octets.extracting(payloadEnd..<octets.count), qos: row.qos,
                    expiresAt: UInt32(clamping: row.message.expiresAt), stamp: row.stamp)
            } catch {
                // The limits have been lowered: what is stored stays there until they are raised again.
                count(refusal(error))
            }
        }
        clearExpiredRetained()
        guard page.isLast else { return store.requestRetained(after: page.next, rows: Self.retainedRows) }
        isLoadingRetained = false
        retainedSinceStart = []
        applyPostponed()
    }

    /// Notes that a topic's retained message has changed since the start, as long as not all are loaded.
    mutating func noteRetained(_ topic: Span<UInt8>) {
        if isLoadingRetained { retainedSinceStart.insert(topic.raw.array) }
    }
}

extension Session {
    /// As its client has left it.
    fileprivate init(_ stored: StoredSession) {
        self.init()
        flags = [.exists, .away]
        version = stored.version
        clientIdentifier = stored.clientIdentifier
        acceptNumber = stored.acceptedAt
    }
}
