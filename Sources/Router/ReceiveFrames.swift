// Reads the stream of a listener and handles every frame that is whole.

import EventLoop
import Journal
import Messages

extension Router {
    mutating func receiveFrames(_ link: Int) {
        makeInputRoom(link)
        let input = links[link].input
        let end = links[link].inputEnd
        var room = input.mutableSpan(end, min(input.byteCount - end, ListenerLink.receiveSize))
        switch receive(links[link].descriptor, into: &room) {
        case .bytes(let count):
            links[link].inputEnd = end + count
            links[link].received &+= UInt64(count)
            links[link].isTouched = true
            do throws(FrameError) {
                try handleFrames(link)
            } catch {
                cut(link, error.description)
            }
        case .wouldBlock: break
        // The bridge ends its own; a listener's outlives it.
        case .ended where links[link].role == .bridge: detach(link)
        case .ended, .failed: cut(link, "its channel ended")
        }
    }

    /// Bytes of an incomplete frame that are moved to the front without a thought: what is in the cache stays there.
    private static var shortRest: Int { 64 << 10 }

    /// The rest of a frame moves to the front when it is short, or the room behind it is.
    private mutating func makeInputRoom(_ link: Int) {
        let start = links[link].inputStart
        let count = links[link].inputEnd - start
        guard start > 0 else { return }
        let room = links[link].input.byteCount - links[link].inputEnd
        guard count <= Self.shortRest || room < ListenerLink.receiveSize else { return }
        if count > 0 { links[link].input.move(from: start, to: 0, count: count) }
        links[link].inputStart = 0
        links[link].inputEnd = count
    }

    /// Handles what has arrived of a link, as far as it may be.
    mutating func handleFrames(_ link: Int) throws(FrameError) {
        current = link
        defer { current = -1 }
        if links[link].phase != .running {
            try handleBeginning(link)
            guard links[link].isOpen, links[link].phase == .running else { return }
        }
        let start = links[link].inputStart
        let bytes = links[link].input.span(start, links[link].inputEnd - start)
        var position = 0
        while let header = try FrameHead.read(bytes, at: position) {
            guard bytes.byteCount &- position >= header.length else {
                try check(link, header)
                break
            }
            links[link].frameStart = links[link].handled
            links[link].handled &+= UInt64(truncatingIfNeeded: header.length)
            switch header.type {
            case .publish: try handlePublish(link, bytes, position, header)
            case .acknowledge: try handleAcknowledgements(link, bytes, position, header)
            default: try handleRequest(link, bytes.extracting(position..<(position + header.length)), header.type)
            }
            // The channel may have been cut by what the frame led to.
            guard links[link].isOpen else { return }
            position &+= header.length
            if links[link].batch >= 0, links[link].outputEnd &- links[link].batch > ListenerLink.batchLength {
                closeBatch(link)
            }
        }
        links[link].inputStart = start + position
    }

    /// Refuses a frame that will never be whole.
    func check(_ link: Int, _ header: FrameHead) throws(FrameError) {
        guard header.length <= links[link].input.byteCount - ListenerLink.receiveSize else {
            throw FrameError("a frame longer than any may be")
        }
    }

    /// The listener broke the catalogue: reports it, to be replaced, and ends its sessions.
    mutating func cut(_ link: Int, _ reason: String) {
        guard links[link].isOpen else { return }
        // Of the listener's generations the router knows nothing.
        Journal.log(
            .channelCut,
            [
                .worker: links[link].label, .listener: links[link].listener, .generation: "", .reason: reason,
            ])
        report(Fault(worker: links[link].worker, what: reason))
        detach(link)
    }
}
