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
                note(state, instead: publisherState, "publishes to")
                publisherState = state
                reconsiderCongestion()
            case .consumer(let state):
                note(state, instead: consumerState, "consumes from")
                consumerState = state
                // With another connection, or none, its tags mean nothing.
                loseDeliveries()
            case .confirmed(let serials): confirmed(serials)
            case .refused(let amount): count(.messagesRefused, by: amount)
            case .unroutable(let amount): count(.messagesUnroutable, by: amount)
            case .received(let messages, let epoch): received(messages, epoch)
            case .unmappable(let amount): count(.messagesUnmappable, by: amount)
            case .looped(let amount): count(.messagesLooped, by: amount)
            case .ended: threads -= 1
            }
        }
        reportState()
    }

    /// Each change stands in the journal; of the same trouble again, which both connections have as a rule, a line in a while.
    private func note(_ state: LinkState, instead former: LinkState, _ direction: String) {
        switch state {
        case .up(let address) where former != state:
            toldTrouble = nil
            count(.connects)
            Journal.log(.bridgeConnected, [.reason: direction, .address: address])
        case .down(let reason):
            let now = monotonicMilliseconds()
            if let told = toldTrouble, told.reason == reason, now < told.until { return }
            toldTrouble = (reason, now + Self.reminder)
            Journal.log(.bridgeDown, [.reason: reason])
        default: break
        }
    }

    /// Milliseconds after which the same trouble is told again.
    private static let reminder: UInt64 = 60_000
}
