// Keeps a listener informed of what its clients' new subscriptions have got of the retained messages, where that takes more
// than one batch; and goes on with it when a router takes over. Nothing here is fatal.
//
// The order in which retained messages are found is another in each router, so the topics that were given are kept, as
// hashes, in the connection's list.

import EventLoop
import Messages

extension Router {
    /// Topics of one subscription that are kept; one that has more under its filter does not go on after a router's death.
    private static var mostKept: Int { 65_536 }

    /// The listener hears of a session's replays with the batch that is closed next.
    mutating func listReplays(_ number: Int) {
        let link = Int(sessions[number].link)
        guard link >= 0 else { return }
        links[link].replays.append(UInt32(number))
    }

    /// Tells a listener, with the open batch, what new subscriptions have got.
    @inline(never)
    mutating func tellReplays(_ link: Int) {
        for index in links[link].replays.indices {
            let number = Int(links[link].replays[index])
            if sessions[number].link == Int32(link) { tellReplays(number, link) }
        }
        links[link].replays.removeAll(keepingCapacity: true)
    }

    private mutating func tellReplays(_ number: Int, _ link: Int) {
        guard let position = replays.position(of: UInt32(number)), !replays.sessions[position].isOver else {
            guard replays.told.remove(UInt32(number)) != nil else { return }
            writeNote(number, link)
            return writeList(number, link, .list, [])
        }
        replays.sessions[position].isListed = false
        let isNew = replays.told.insert(UInt32(number)).inserted
        if isNew || replays.sessions[position].isChanged { writeNote(number, link) }
        let given = replays.sessions[position].given.flatMap { hash in
            (0..<8).map { UInt8(truncatingIfNeeded: hash >> (8 * $0)) }
        }
        writeList(number, link, isNew || replays.sessions[position].isReset ? .list : .more, given)
        replays.sessions[position].isChanged = false
        replays.sessions[position].isReset = false
        replays.sessions[position].given.removeAll(keepingCapacity: true)
    }

    private mutating func writeList(_ number: Int, _ link: Int, _ kind: NoteFrame.Kind, _ bytes: [UInt8]) {
        if kind == .more, bytes.isEmpty { return }
        links[link].append(
            NoteFrame(
                slot: sessions[number].slot, generation: sessions[number].generation, kind: kind, bytes: bytes
            ).encoded())
    }

    /// Writes a connection's note into the open batch.
    mutating func writeNote(_ number: Int, _ link: Int) {
        var note = ConnectionNote()
        if sessions[number].backlog != noEntry { note.given = backlogs[sessions[number].backlog].given }
        if let position = replays.position(of: UInt32(number)), replays.told.contains(UInt32(number)) {
            let waiting = replays.sessions[position]
            note.seed = waiting.seed
            for replay in waiting.waiting[waiting.first...] {
                note.replays.append(.init(filter: replay.filter, qos: replay.qos, properties: replay.properties))
            }
            if waiting.kept > Self.mostKept { note.replays.removeFirst() }
        }
        links[link].append(
            NoteFrame(
                slot: sessions[number].slot, generation: sessions[number].generation, kind: .note,
                bytes: note.encoded()
            ).encoded())
    }

    /// A topic of a session's first replay was given.
    mutating func noteGiven(_ number: Int, _ hash: UInt64, wasQueued: Bool = false) {
        guard let position = replays.position(of: UInt32(number)) else { return }
        // An earlier replay may have queued it, which was stopped.
        if wasQueued, replays.sessions[position].queued > 0 { replays.sessions[position].queued -= 1 }
        replays.sessions[position].give(hash, most: Self.mostKept)
        guard !replays.sessions[position].isListed else { return }
        replays.sessions[position].isListed = true
        listReplays(number)
    }

    /// Puts a retained message into a session's queue. Where its listener keeps the topic it does so once the client has it.
    mutating func queueRetained(_ position: Int, _ number: Int, _ message: Outgoing, _ hash: UInt64) {
        let interrupted = (publication, routed, current)
        publication = Publication()
        routed = noEntry
        current = -1
        givingRetained = hash
        let isKept = sessions[number].isDurable
        let former = sessions[number].queue.last
        enqueue(number, message, qos: message.qos, retain: true)
        finishRoute(message)
        givingRetained = 0
        (publication, routed, current) = interrupted
        if isKept || sessions[number].queue.last == former {
            noteGiven(number, hash)
        } else {
            replays.sessions[position].queued += 1
        }
    }

    /// What a former router had not given goes on.
    mutating func takeUpReplays(_ number: Int, _ note: ConnectionNote, _ list: [UInt8]) {
        guard !note.replays.isEmpty else { return }
        var position = 0
        for replay in note.replays {
            position = replays.append(
                RetainedReplay(filter: replay.filter, qos: replay.qos, properties: replay.properties),
                to: UInt32(number))
        }
        replays.sessions[position].seed = note.seed
        replays.sessions[position].skip(list)
        replays.told.insert(UInt32(number))
    }
}

extension SessionReplays {
    /// Never 0.
    func hash(_ topic: Span<UInt8>) -> UInt64 { max(1, TopicHasher(seed: seed).hash(topic)) }

    /// Nothing is left.
    var isOver: Bool { first >= waiting.count }

    mutating func give(_ hash: UInt64, most: Int) {
        kept += 1
        if kept <= most { given.append(hash) }
        // The note does without it.
        if kept == most + 1 { isChanged = true }
    }

    /// Topics that the first replay does not give again.
    mutating func skip(_ list: [UInt8]) {
        let bytes = list.span.raw
        for offset in stride(from: 0, to: bytes.byteCount & ~7, by: 8) { skipped.insert(bytes.load64(at: offset)) }
        kept = skipped.count
    }
}
