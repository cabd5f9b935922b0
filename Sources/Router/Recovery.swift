// A router that begins takes over from another, of which it knows what the store and the listeners know. This is the
// order in which they are heard: all name their connections; what the former router was told is handled anew; then
// sessions are what they were, and everything goes on. docs/protocol/data.md has the whole of it. A listener whose
// channel begins later goes the same way, beside the others.
//
// Nothing here is fatal. A listener that breaks the order is cut.

import EventLoop
import Messages
import Store

extension Router {
    /// Milliseconds that listeners are waited for, and that the others are once the first is there.
    static var patienceAtStart: UInt64 { 2000 }
    static var patienceForOthers: UInt64 { 500 }

    /// Whether a channel is between its beginning and its running.
    var isRecovering: Bool {
        isStarting || links.contains { $0.isOpen && $0.phase != .running && $0.phase != .greeting }
    }

    /// Whether something is being handled anew.
    var isReplaying: Bool { links.contains { $0.isOpen && ($0.phase == .replaying || $0.phase == .replayed) } }

    /// Handles frames of a channel that is not running yet, as far as it may go.
    @inline(never)
    mutating func handleBeginning(_ link: Int) throws(FrameError) {
        while links[link].isOpen, links[link].phase != .running, !links[link].isPaused {
            let start = links[link].inputStart
            let bytes = links[link].input.span(start, links[link].inputEnd - start)
            guard let header = try FrameHead.read(bytes, at: 0) else { return }
            guard bytes.byteCount >= header.length else { return try check(link, header) }
            let frame = bytes.extracting(0..<header.length)
            links[link].inputStart = start + header.length
            switch links[link].phase {
            case .greeting: try greet(link, frame)
            case .replaying: try handleAnew(link, frame, header)
            default:
                if header.type == .resumeEnd {
                    try endNaming(link, ResumeEnd(decoding: frame))
                } else {
                    try takeUp(link, ResumeFrame(decoding: frame))
                }
            }
        }
    }

    private mutating func greet(_ link: Int, _ frame: RawSpan) throws(FrameError) {
        guard let type = try FrameHead.read(frame, at: 0)?.type, type == .hello else {
            throw FrameError("a channel that does not begin with Hello")
        }
        let hello = try Hello(decoding: frame)
        guard hello.worker == links[link].worker else { throw FrameError("a greeting that does not fit the channel") }
        links[link].handled = hello.from
        links[link].released = hello.from
        links[link].toldReleased = hello.from
        links[link].applied = hello.answered
        links[link].answered = hello.answered
        links[link].marks = Dictionary(hello.marks.map { ($0.place, $0.offset) }) { $1 }
        links[link].toldMarks = links[link].marks
        links[link].phase = .resuming
        // Not before: its batch would answer less than the former router's.
        links[link].append(Hello(worker: welcome.worker, generation: welcome.generation).encoded())
        links[link].isTouched = true
    }

    private mutating func endNaming(_ link: Int, _ frame: ResumeEnd) throws(FrameError) {
        guard frame.until >= links[link].applied else { throw FrameError("an end before what was answered") }
        links[link].until = frame.until
        links[link].phase = .resumed
        let place = links[link].worker
        if frame.until < storedMarks[place] ?? 0 {
            // The mark is one of an earlier arena, and the clock went back meanwhile. This stream may begin once the store
            // knows.
            storedMarks[place] = 0
            log.putMark(place, 0)
            if waitsForDisk { links[link].gate = commits.submitted + 1 }
        }
        if isStarting { startsAt = min(startsAt, milliseconds + Self.patienceForOthers) }
        watch(link, forRoom: links[link].isWatchedForRoom)
    }

    /// Goes on with what has begun, as far as it may. Called each turn as long as there is something.
    mutating func continueRecovery() {
        if isStarting, milliseconds < startsAt,
            links.contains(where: { $0.isOpen && ($0.phase == .greeting || $0.phase == .resuming) })
        {
            return
        }
        guard resumptionReads == 0,
            !links.contains(where: { $0.isOpen && $0.phase == .resumed && $0.gate > commits.committed })
        else { return }
        for link in links.indices where links[link].isOpen && links[link].phase == .resumed {
            links[link].phase = links[link].handled < links[link].until ? .replaying : .replayed
            goOn(link)
        }
        guard !links.contains(where: { $0.isOpen && $0.phase == .replaying }) else { return }
        endRecovery()
    }

    private mutating func endRecovery() {
        ledger.clear()
        for number in resumptions.keys.sorted() {
            let link = Int(sessions[Int(number)].link)
            if link < 0 || links[link].phase != .resuming { endResumption(Int(number)) }
        }
        replaced = [:]
        if isStarting {
            isStarting = false
            leaveAll()
            requestRetained()
            report(Ready())
        }
        for link in links.indices where links[link].isOpen && links[link].phase == .replayed {
            links[link].phase = .running
            goOn(link)
        }
    }

    /// Reads a link again, and handles what was left.
    private mutating func goOn(_ link: Int) {
        watch(link, forRoom: links[link].isWatchedForRoom)
        links[link].isTouched = true
        do throws(FrameError) {
            try handleFrames(link)
        } catch {
            cut(link, error.description)
        }
    }
}
