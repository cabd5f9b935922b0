// What listeners may forget: frames that are safe, whatever dies. Called at the end of each turn. Nothing here is fatal.
//
// As a rule everything of a turn is done when it ends. Where not, a cut is made through all streams, and what stands
// before it is released when the last of it is done: handled, stored, answered, and taken by the sockets. Frames are
// released everywhere or nowhere, so that what a later router handles anew follows on one state of the store.

import EventLoop
import Messages
import Store

/// A moment, and what has to happen before frames that were handled until then may be forgotten. Where the streams were
/// stands in the links.
struct Cut {
    var isMade = false
    /// So many messages must not linger any more.
    var lingered: UInt64 = 0
    /// The transaction that has the rest, once they do not; nil: they may still.
    var transaction: UInt64?
}

extension Router {
    /// Bytes of a stream that a listener which takes nothing, or a store which stores nothing, can hold back.
    static var unreleasedLimit: UInt64 { 4 << 20 }
    /// Milliseconds after which listeners are told of releases though there is nothing else to say.
    static var releaseInterval: UInt64 { 20 }

    mutating func releaseFrames() {
        // What is replayed is answered and delivered by and by; the former router's releases hold until then.
        guard !isRecovering else { return }
        if isEverythingDone {
            for link in links.indices where links[link].isOpen { links[link].released = links[link].handled }
            releaseCut.isMade = false
            unreleased = 0
        } else {
            if releaseCut.isMade, isCutDone() || unreleased > Self.unreleasedLimit && !isKeepingBehind {
                // A batch may have released more meanwhile.
                for link in links.indices where links[link].isOpen {
                    links[link].released = max(links[link].released, links[link].cutHandled)
                }
                releaseCut.isMade = false
            }
            if !releaseCut.isMade { makeCut() }
            countUnreleased()
        }
        tellReleases()
    }

    /// Releases with a batch what it answers, as a rule: nothing waits, and nobody else is to hear anything. The listener
    /// that applies it has all that its frames have led to.
    @inline(__always)
    mutating func releaseWithBatch(_ link: Int) {
        guard isEverythingStored, !isRecovering else { return }
        for other in links.indices where other != link && links[other].isOpen && links[other].isBehind { return }
        links[link].released = links[link].handled
    }

    private var isEverythingStored: Bool {
        log.isEmpty && !seen.isTouched && commits.submitted == commits.committed && lingering.isEmpty
            && pendings.count == 0
            && backlogs.count == 0
    }

    private var isEverythingDone: Bool { isEverythingStored && !links.contains { $0.isOpen && $0.isBehind } }

    mutating func makeCut() {
        releaseCut = Cut(isMade: true, lingered: lingering.appended)
        pendings.makeCut()
        backlogs.makeCut()
        for link in links.indices {
            links[link].cutHandled = links[link].handled
            links[link].cutProduced = links[link].produced
        }
    }

    private mutating func isCutDone() -> Bool {
        guard lingering.removed >= releaseCut.lingered, backlogs.older == 0 else { return false }
        let transaction = releaseCut.transaction ?? (log.isEmpty ? commits.submitted : commits.submitted + 1)
        releaseCut.transaction = transaction
        return commits.committed >= transaction && pendings.older == 0
            && !links.contains { $0.isOpen && $0.put < $0.cutProduced }
    }

    private mutating func countUnreleased() {
        unreleased = 0
        for link in links.indices where links[link].isOpen {
            unreleased = max(unreleased, links[link].handled &- links[link].released)
        }
    }

    /// Batches say it, and where there are none one is written for it.
    private mutating func tellReleases() {
        guard milliseconds &- toldReleasesAt >= Self.releaseInterval else { return }
        toldReleasesAt = milliseconds
        for link in links.indices where links[link].isOpen && links[link].released != links[link].toldReleased {
            links[link].wantsRelease = true
            links[link].isTouched = true
        }
    }

    /// How many milliseconds may pass before listeners are to be told.
    var patienceForReleases: Int32 {
        links.contains { $0.isOpen && $0.released != $0.toldReleased } ? Int32(Self.releaseInterval) : .max
    }

    // MARK: marks

    /// Tells a listener, with the open batch, how far the streams of others have had their effect in it.
    mutating func tellMarks(_ link: Int) {
        var marks: [StreamMark] = []
        for other in links.indices where other != link && links[other].isOpen && links[other].hasResumed {
            let place = links[other].worker
            // What is handled anew had its effect before.
            let offset = max(links[other].handled, mark(of: other, at: link))
            guard links[link].toldMarks[place] != offset else { continue }
            links[link].toldMarks[place] = offset
            marks.append(StreamMark(place: place, offset: offset))
        }
        if !marks.isEmpty { links[link].append(MarksFrame(marks).encoded()) }
    }

    /// How far a listener had applied the stream of another when its channel began. A mark beyond all that the other has
    /// said is one of an earlier arena.
    func mark(of other: Int, at link: Int) -> UInt64 {
        let mark = links[link].marks[links[other].worker] ?? 0
        return mark <= links[other].until ? mark : 0
    }

    /// Lets the open transaction say how far the streams are in it.
    mutating func putMarks() {
        for link in links.indices where links[link].isOpen && links[link].hasResumed {
            let place = links[link].worker
            let stored = storedMarks[place] ?? 0
            guard links[link].handled > stored else { continue }
            storedMarks[place] = links[link].handled
            log.putMark(place, links[link].handled)
        }
    }
}
