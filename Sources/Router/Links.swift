// Listeners come and go, and their output is sent.

import EventLoop
import Glibc
import Messages

extension Router {
    /// Takes a channel to a listener.
    mutating func attach(_ descriptor: Int32, _ offer: ChannelOffer) throws(SystemError) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        if let known = links.firstIndex(where: { $0.isOpen && $0.worker == offer.peerWorker }) { detach(known) }
        var link = try ListenerLink(packetSize: Int(settings.packetSize))
        link.descriptor = descriptor
        link.worker = offer.peerWorker
        link.name = offer.peerName
        link.role = offer.peerRole
        serials += 1
        link.serial = serials
        let index = links.firstIndex { !$0.isOpen } ?? links.count
        if index == links.count { links.append(link) } else { links[index] = link }
        try poller.add(descriptor, isHeld ? [] : .readable, tag: UInt64(index))
    }

    /// The listener is gone, and its connections with it: their wills are published.
    mutating func detach(_ link: Int) {
        guard links[link].isOpen else { return }
        poller.remove(links[link].descriptor)
        close(links[link].descriptor)
        links[link].descriptor = -1
        links[link].isTouched = false
        for entry in links[link].slots where entry != 0 {
            // Wills may have ended sessions of this very link.
            let number = Int(entry) - 1
            if sessions[number].link == Int32(link) { leave(number, publishWill: true) }
        }
        links[link].slots = []
        links[link].waiting = []
        links[link].backlogs = []
        links[link].replays = []
        links[link].input.release()
        links[link].output.release()
    }

    /// Closes the batch of a link and sends what it takes.
    mutating func flush(_ link: Int) {
        guard links[link].isOpen else {
            links[link].isTouched = false
            return
        }
        // What waits in queues goes into batches of its own: acknowledgements would make them longer than any may be.
        if !links[link].waiting.isEmpty {
            closeBatch(link)
            drainWaiting(link)
        }
        closeBatch(link)
        let count = links[link].outputEnd - links[link].outputStart
        var isComplete = true
        if links[link].isHeld {
            // As if the socket took nothing.
            links[link].isTouched = false
            return
        }
        if count > 0 {
            switch send(links[link].descriptor, links[link].output.span(links[link].outputStart, count)) {
            case .bytes(let sent):
                links[link].outputStart += sent
                isComplete = sent == count
            case .wouldBlock: isComplete = false
            case .ended, .failed: return cut(link, "it takes no more frames")
            }
        }
        if isComplete {
            links[link].outputStart = 0
            links[link].outputEnd = 0
        } else if links[link].outputStart > links[link].outputEnd - links[link].outputStart {
            // Each byte is moved at most once for one that was sent, and the region is not used beyond what waits.
            links[link].moveToFront()
        }
        if isComplete == links[link].isWatchedForRoom { watch(link, forRoom: !isComplete) }
        // What still waits and could go on does so in the next turn.
        links[link].isTouched = isComplete && !links[link].waiting.isEmpty && links[link].hasRoom
    }

    /// Closes the open batch of a link: everything that was handled so far has had its effect in it.
    mutating func closeBatch(_ link: Int) {
        if !links[link].backlogs.isEmpty { tellBacklogs(link) }
        if !links[link].replays.isEmpty { tellReplays(link) }
        guard links[link].hasBatch else { return }
        if links.count > 1 { tellMarks(link) }
        releaseWithBatch(link)
        links[link].closeBatch()
    }

    mutating func watch(_ link: Int, forRoom: Bool) {
        links[link].isWatchedForRoom = forRoom
        var interest: Poller.Interest = isHeld || links[link].isPaused ? [] : .readable
        if forRoom { interest.insert(.writable) }
        do {
            try poller.modify(links[link].descriptor, interest, tag: UInt64(link))
        } catch {
            fatalError("\(error)")
        }
    }
}
