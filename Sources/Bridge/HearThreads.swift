// What the threads at RabbitMQ tell.

internal import EventLoop
internal import Journal
internal import Messages

extension Bridge {
    func hearThreads() {
        news.wakeup.lower()
        for item in news.take() {
            switch item {
            case .publisher(let state):
                note(state, .publishes)
                publisherState = state
                reconsiderCongestion()
            case .consumer(let state):
                note(state, .consumes)
                consumerState = state
                // With another connection, or none, its tags mean nothing.
                loseDeliveries()
            case .confirmed(let serials): confirmed(serials)
            case .refused(let amount): count(.messagesRefused, by: amount)
            case .unroutable(let amount): count(.messagesUnroutable, by: amount)
            case .received(let messages, let epoch): received(messages, epoch)
            case .unmappable(let amount): count(.messagesUnmappable, by: amount)
            case .looped(let amount): count(.messagesLooped, by: amount)
            case .skipped(let amount): count(.messagesSkipped, by: amount)
            case .rejected: count(.messagesRejected)
            case .abandoned(let serials): abandoned(serials)
            case .ended: threads -= 1
            }
        }
        reportState()
    }

    private func note(_ state: LinkState, _ link: Told.Link) {
        let now = monotonicMilliseconds()
        switch state {
        case .up(let address):
            count(.connects)
            guard told.isNews(upTo: address, link, now) else { return }
            Journal.log(.bridgeConnected, [.reason: link.rawValue, .address: address])
        case .down(let reason):
            guard told.isNews(downFor: reason, link, now) else { return }
            Journal.log(.bridgeDown, [.reason: reason, .count: "\(waiting)"])
        case .idle, .connecting: break
        }
    }
}
