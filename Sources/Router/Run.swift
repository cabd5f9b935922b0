// The router's turn: wait, handle what the listeners sent, send each of them one batch or a few.

import EventLoop
import Messages

extension Router {
    /// Turns until the supervisor says stop or goes away. Fatal: epoll that fails.
    mutating func run() {
        report(Ready())
        while !isStopped {
            let count: Int
            do {
                // A link that was left touched has more to send that nobody will wake us for.
                let goesOn = links.contains { $0.isOpen && $0.isTouched }
                count = try poller.wait(milliseconds: goesOn ? 0 : replays.patience)
            } catch {
                fatalError("\(error)")
            }
            seconds = UInt32(truncatingIfNeeded: coarseMilliseconds() / 1000)
            for index in 0..<count {
                let tag = poller.tag(index)
                if tag == Tag.control {
                    handleControl()
                } else {
                    handleLink(Int(truncatingIfNeeded: tag), poller.readiness(index))
                }
            }
            continueReplays()
            for link in links.indices where links[link].isTouched { flush(link) }
        }
    }

    private mutating func handleLink(_ link: Int, _ readiness: Poller.Interest) {
        guard links[link].isOpen else { return }
        if readiness.contains(.writable) { links[link].isTouched = true }
        if !readiness.isDisjoint(with: [.readable, .hangUp]) { receiveFrames(link) }
    }
}
