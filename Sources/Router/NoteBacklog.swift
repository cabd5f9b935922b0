// Keeps a listener informed of how far its clients were given what waits for them; see Backlog.swift. What it was told it
// says to the next router. Called where a queue of a session that ends with its connection changes.

import EventLoop
import Messages
import Store

extension Router {
    /// The end of the frame that is being handled, as far as the message goes that is being routed.
    private mutating func origin(of link: Int) -> StreamMark {
        guard link >= 0, links[link].isOpen else {
            backlogs.own += 1
            return StreamMark(place: Backlogs.broker, offset: backlogs.own)
        }
        return StreamMark(place: links[link].worker, offset: links[link].handled)
    }

    /// A message waits for a session that ends with its connection.
    @inline(never)
    mutating func noteWaiting(_ entry: UInt32, _ number: Int) {
        // Where others have waited before, it may have been given more since, and not by its queue.
        if sessions[number].queue.waiting == 1, !sessions[number].flags.contains(.resuming) { beginBacklog(number) }
        let backlog = sessions[number].backlog
        let origin = origin(of: current)
        backlogs.append(entry, origin)
        if givingRetained != 0 { backlogs.note(entry, retained: givingRetained) }
        if origin.place == Backlogs.broker, givingRetained == 0, !isOfTheBroker(entry) {
            backlogs.urgent.append(UInt32(number))
        }
        if backlogs[backlog].unkept == noEntry { backlogs[backlog].unkept = entry }
    }

    /// Whether it is a value under `$SYS`, of which there will be another.
    private func isOfTheBroker(_ entry: UInt32) -> Bool {
        let message = queues.messages[queues[entry].message]
        return Outgoing(
            queues.messages.bytes(of: queues[entry].message), topicLength: Int(message.topicLength),
            propertiesLength: Int(message.propertiesLength), qos: 0, retain: false
        ).isOfTheBroker
    }

    /// The first message waits: all that was handled before, the client was given.
    private mutating func beginBacklog(_ number: Int) {
        var backlog = Backlog(session: UInt32(number), given: settledMarks(Int(sessions[number].link)))
        let former = sessions[number].backlog
        if former != noEntry { backlog = backlogs[former] }
        for link in links.indices where links[link].isOpen && links[link].hasResumed {
            let handled = link == current ? links[link].frameStart : links[link].handled
            let mark = StreamMark(place: links[link].worker, offset: handled)
            if !backlog.hasGiven(mark) { backlog.give(mark) }
        }
        if former == noEntry { sessions[number].backlog = backlogs.insert(backlog) } else { backlogs[former] = backlog }
        list(number)
    }

    /// How far the connections of a listener without a note were given everything, when its channel began.
    func settledMarks(_ link: Int) -> [StreamMark] {
        var marks = links[link].marks.map { StreamMark(place: $0.key, offset: $0.value) }
        marks.append(StreamMark(place: links[link].worker, offset: links[link].applied))
        marks.append(StreamMark(place: Backlogs.broker, offset: backlogs.own))
        return marks
    }

    /// The listener hears of a session's backlog with the batch that is closed next.
    mutating func list(_ number: Int) {
        let backlog = sessions[number].backlog
        guard !backlogs[backlog].isListed else { return }
        backlogs[backlog].isListed = true
        let link = Int(sessions[number].link)
        links[link].backlogs.append(UInt32(number))
        links[link].isTouched = true
    }

    /// An entry does not wait any more: what is to be sent of it stands in the open batch.
    @inline(never)
    mutating func settleWaiting(_ entry: UInt32, _ number: Int) {
        let backlog = sessions[number].backlog
        let link = Int(sessions[number].link)
        // Without a connection it goes to another member of its group.
        guard link >= 0 else { return handedOn(entry, backlog) }
        let former = backlogs.older
        let waiting = backlogs.take(entry)
        // The cut is not done before the socket has it.
        if backlogs.older != former { links[link].cutProduced = links[link].produced }
        backlogs[backlog].give(waiting.origin)
        backlogs[backlog].givenAt = links[link].produced
        if waiting.retained != 0 { noteGiven(number, waiting.retained, wasQueued: true) }
        if waiting.sequence != 0, waiting.sequence != WaitingEntry.givenUp { backlogs[backlog].done = waiting.sequence }
        if backlogs[backlog].unkept == entry { backlogs[backlog].unkept = queues[entry].next }
        list(number)
    }

    /// An entry leaves the queue of a session whose connection is over, which nobody hears of.
    private mutating func handedOn(_ entry: UInt32, _ backlog: UInt32) {
        _ = backlogs.take(entry)
        if backlogs[backlog].unkept == entry { backlogs[backlog].unkept = queues[entry].next }
    }

    /// Tells a listener, with the open batch, how far its clients were given what waits for them.
    @inline(never)
    mutating func tellBacklogs(_ link: Int) {
        for index in links[link].backlogs.indices {
            let number = Int(links[link].backlogs[index])
            guard sessions[number].link == Int32(link), sessions[number].backlog != noEntry,
                backlogs[sessions[number].backlog].isListed
            else { continue }
            backlogs[sessions[number].backlog].isListed = false
            tellBacklog(number, link)
        }
        links[link].backlogs.removeAll(keepingCapacity: true)
    }

    private mutating func tellBacklog(_ number: Int, _ link: Int) {
        let index = sessions[number].backlog
        let backlog = backlogs[index]
        if backlog.done > backlog.removed {
            backlogs[index].removed = backlog.done
            backlogs.removals.append(
                BacklogRemoval(
                    link: link, serial: links[link].serial, put: links[link].produced, session: UInt32(number),
                    through: backlog.done))
        }
        let isOver = sessions[number].queue.waiting == 0 && !sessions[number].flags.contains(.resuming)
        backlogs[index].isTold = true
        if isOver {
            sessions[number].backlog = noEntry
            backlogs.remove(index)
        }
        if !isOver || backlog.isTold { writeNote(number, link) }
    }

    /// A session is over, and what waits for it goes with it.
    mutating func endBacklog(_ number: Int) {
        if backlogs.stored.remove(UInt32(number)) != nil { log.removeSession(UInt32(number)) }
        guard sessions[number].backlog != noEntry else { return }
        var entry = sessions[number].queue.first
        while entry != noEntry {
            if queues[entry].flags.contains(.queued) { _ = backlogs.take(entry) }
            entry = queues[entry].next
        }
        backlogs.remove(sessions[number].backlog)
        sessions[number].backlog = noEntry
    }
}
