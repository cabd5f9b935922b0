// The channel to the router comes and goes; what comes through it.

internal import Channel
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages

extension Bridge {
    /// Takes a channel to a router: the first, or one that goes on for another.
    func join(_ descriptor: Int32) {
        loseRouter()
        // The first thing that any router hears.
        if !router.hasAsked { router.connect() }
        do throws(SystemError) {
            try router.attach(descriptor, &poller)
        } catch {
            Journal.log(.channelCut, [.worker: "router", .reason: "\(error)"])
        }
    }

    /// The router is gone. What it has said is heard; the next one is told how things stand.
    func loseRouter() {
        guard router.hasChannel else { return }
        hearRouter(isGone: true)
        router.detach(poller)
    }

    func attend(_ readiness: Poller.Interest) {
        guard router.hasChannel, !readiness.isDisjoint(with: [.readable, .hangUp]) else { return }
        hearRouter()
    }

    /// - Parameter isGone: to its end.
    private func hearRouter(isGone: Bool = false) {
        do throws(FrameError) {
            while true {
                guard let hasCome = router.receive() else { return router.detach(poller) }
                while let events = try router.batch() { for event in events { understand(event) } }
                guard isGone, hasCome else { return passOn() }
            }
        } catch {
            Journal.log(.channelCut, [.worker: "router", .reason: error.description])
            _ = try? control.send(Fault(worker: router.peer, what: error.description).encoded())
            router.detach(poller)
        }
    }

    private func understand(_ event: RouterLink.Event) {
        switch event {
        case .opened: router.tellCongestion(isCongested)
        case .refused(let reason):
            Journal.log(
                .bridgeDown,
                [
                    .reason: "the router refuses the session: 0x\(String(reason, radix: 16))",
                    .count: "\(waiting)",
                ])
        case .dismissed: reconnect()
        case .message(let message, let identifier): delivered(message, identifier)
        case .answered(let identifiers, let reason): answered(identifiers, reason)
        case .interests(let frame): told(frame)
        }
    }

    /// What clients subscribe to is what the queue is bound by.
    private func told(_ interests: InterestsFrame) {
        var changes: [Bindings.Change] = []
        for item in interests.items {
            let filter = String(decoding: item.filter, as: UTF8.self)
            do throws(Unmappable) {
                _ = try translator.keys.binding(ofFilter: filter)
                changes.append(.init(filter: filter, isWanted: item.isWanted))
            } catch {
                // No message of another broker's can have such a topic.
                guard item.isWanted else { continue }
                count(.filtersUnmappable)
                Journal.log(.bridgeUnmappable, [.topic: filter, .reason: error.description])
            }
        }
        consumer.orders.post(.interests(changes, begins: interests.begins, isWhole: interests.isWhole))
    }

    /// Another connection to the session: what the former one had under way comes again on both sides.
    func reconnect() {
        guard router.hasAsked else { return }
        outbound.startOver()
        askAgain()
        router.connect()
    }
}
