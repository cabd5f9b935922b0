// A listener's process has died, and its successor goes on with the same channel: how far both streams have gone, which
// nobody else knows. Asked by the supervisor. Nothing here is fatal.

import EventLoop
import Messages

extension Router {
    /// Says how far the streams to and from a listener have gone, and writes nothing more to it until `letStreamGo`.
    mutating func holdStream(_ worker: UInt32) {
        guard let link = links.firstIndex(where: { $0.isOpen && $0.worker == worker }) else {
            return report(StreamAnswer(worker: worker, exists: false, taken: 0, put: 0))
        }
        links[link].isHeld = true
        if links[link].isWatchedForRoom { watch(link, forRoom: false) }
        let waiting = UInt64(waitingBytes(links[link].descriptor))
        report(
            StreamAnswer(
                worker: worker, exists: true, taken: links[link].received + waiting, put: links[link].put))
    }

    /// The listener's new process knows what the answer said.
    mutating func letStreamGo(_ worker: UInt32) {
        guard let link = links.firstIndex(where: { $0.isOpen && $0.worker == worker }) else { return }
        links[link].isHeld = false
        links[link].isTouched = true
    }
}
