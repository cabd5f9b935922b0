// What listeners ask, and what they are answered. A listener that breaks the catalogue loses its channel, and the supervisor hears
// of it.

internal import Channel
internal import EventLoop
internal import Journal
internal import Messages
internal import Passwords

extension AuthWorker {
    /// A listener's channel.
    func join(_ descriptor: Int32, _ offer: ChannelOffer) throws(SystemError) {
        for former in links.values where former.worker == offer.peerWorker { drop(former) }
        let link = ListenerLink(descriptor: descriptor, offer)
        try poller.add(descriptor, link.interest, tag: UInt64(offer.serial))
        links[offer.serial] = link
        link.say(Hello(worker: welcome.worker, generation: welcome.generation))
    }

    func attend(_ link: ListenerLink, _ readiness: Poller.Interest) {
        guard !readiness.isDisjoint(with: [.readable, .hangUp]) else { return }
        guard link.read() else { return drop(link) }
        do throws(FrameError) {
            while let frame = try link.next() { try understand(frame, from: link) }
        } catch {
            Journal.log(.channelCut, [.worker: "listener/\(link.name)", .generation: "", .reason: error.description])
            _ = try? control.send(Fault(worker: link.worker, what: error.description).encoded())
            drop(link)
        }
    }

    private func understand(_ frame: [UInt8], from link: ListenerLink) throws(FrameError) {
        let type = try FrameHead.read(frame.span.raw, at: 0)?.type
        guard link.hasGreeted else {
            guard try Hello(decoding: frame).worker == link.worker else {
                throw FrameError("a greeting that does not fit the channel")
            }
            link.hasGreeted = true
            return
        }
        switch type {
        case .authRequest:
            let action = try doorkeeper.received(
                AuthRequest(decoding: frame), on: link.serial, random: randomBytes(18))
            switch action {
            case .answer(let answer): link.say(answer)
            case .compare(let task): pool.add(task)
            }
        case .authForget:
            doorkeeper.forget(try AuthForget(decoding: frame), on: link.serial)
            forgetTasks()
        default: throw FrameError("a frame that is not for auth")
        }
    }

    /// Sends a listener what waits for it.
    func flush(_ link: ListenerLink) {
        guard link.flush() else { return drop(link) }
        guard link.wanted != link.interest else { return }
        link.interest = link.wanted
        try? poller.modify(link.descriptor, link.interest, tag: UInt64(link.serial))
    }

    /// A listener's process is gone, or another one has its place: it asks again for whoever waits.
    func drop(_ link: ListenerLink) {
        poller.remove(link.descriptor)
        links[link.serial] = nil
        doorkeeper.forget(channel: link.serial)
        forgetTasks()
    }

    /// Nobody hashes for connections that are gone.
    private func forgetTasks() {
        let doorkeeper = doorkeeper
        pool.remove { !doorkeeper.awaits($0) }
    }
}
