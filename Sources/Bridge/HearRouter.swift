// The channel to the router comes and goes; what comes through it.

internal import Channel
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages

extension Bridge {
    /// Takes a channel to the router: the session is connected anew.
    func join(_ descriptor: Int32) {
        loseRouter()
        let link = RouterLink(descriptor, place: welcome.worker, generation: welcome.generation)
        do throws(SystemError) {
            try poller.add(descriptor, .readable, tag: Tag.router)
        } catch {
            Journal.log(.channelCut, [.worker: "router", .reason: "\(error)"])
            return
        }
        router = link
        link.reconnect(settings)
        link.flush(&poller)
    }

    /// The channel is gone. What the router was sent and has not answered RabbitMQ sends again; what it has sent is on its way.
    func loseRouter() {
        guard let link = router else { return }
        poller.remove(link.descriptor)
        close(link.descriptor)
        router = nil
        outbound.startOver()
        if inbound.count > 0 {
            consumer.orders.post(.startOver(epoch: inbound.epoch))
            inbound.startOver()
        }
    }

    func attend(_ readiness: Poller.Interest) {
        guard let link = router else { return }
        if readiness.isDisjoint(with: [.readable, .hangUp]) { return }
        do throws(FrameError) {
            guard link.receive() else { return loseRouter() }
            while router === link, let event = try link.next() { understand(event, link) }
        } catch {
            Journal.log(.channelCut, [.worker: "router", .reason: error.description])
            _ = try? control.send(Fault(worker: link.peer, what: error.description).encoded())
            loseRouter()
        }
    }

    private func understand(_ event: RouterLink.Event, _ link: RouterLink) {
        switch event {
        case .opened:
            if isCongested { link.tellCongestion(true) }
            passOn()
        case .refused(let reason):
            Journal.log(
                .bridgeNotTaken, [.count: "0", .reason: "the session: 0x" + String(reason, radix: 16, uppercase: true)])
        case .dismissed:
            // By an operator: it comes back, as other clients do.
            outbound.startOver()
            if inbound.count > 0 {
                consumer.orders.post(.startOver(epoch: inbound.epoch))
                inbound.startOver()
            }
            link.reconnect(settings)
        case .message(let message, let identifier): delivered(message, identifier)
        case .answered(let identifiers, let reason): answered(identifiers, reason)
        }
    }
}
