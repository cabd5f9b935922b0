// The bridge's session. The configuration says what it is: the router keeps it, whether a bridge is connected or not, so
// that what is to go to RabbitMQ waits from the first moment on, and goes with the configuration's last word of it.

import EventLoop
import MQTT
import Messages
import Store

extension Router {
    /// Whether no client may call itself so: it is, or may become, the name of one of the broker's own sessions.
    func isReserved(_ clientIdentifier: [UInt8]) -> Bool { clientIdentifier.starts(with: "$bridge/".utf8) }

    /// Makes the bridge's session what the settings say. Called at the start and whenever those change.
    mutating func keepBridge() {
        guard let wanted = settings.bridge else { return endBridge() }
        let identifier = BridgeSession.clientIdentifier
        wake(client: identifier)
        if let known = session(ofClient: identifier) {
            bridge = Int(known)
        } else {
            // None of the limits is for it: whoever has configured a bridge wants it.
            bridge = takeNumber()
            sessions[bridge].flags.insert(.away)
            sessions[bridge].version = ProtocolVersion.v5.rawValue
            sessions[bridge].clientIdentifier = identifier
            clients.insert(UInt32(bridge), identifier)
            makeDurable(bridge, .max)
            durables[Int(sessions[bridge].durable)].endsAt = .max
            storeSession(bridge)
        }
        setSubscriptions(wanted.items)
        if wanted.isCluster != tree.isWatched { beginTalk() }
    }

    /// There is no bridge any more; what waited for it goes with its session.
    private mutating func endBridge() {
        bridge = -1
        beginTalk()
        let identifier = BridgeSession.clientIdentifier
        wake(client: identifier)
        guard let known = session(ofClient: identifier) else { return }
        if sessions[Int(known)].isConnected { dismiss(Int(known), .administrativeAction) }
        end(Int(known), publishWill: false)
    }

    /// The session has these subscriptions and no others.
    private mutating func setSubscriptions(_ items: [SubscribeFrame.Item]) {
        let number = UInt32(bridge)
        var known: [(filter: [UInt8], options: UInt8)] = []
        tree.forEachSubscription(session: number) { filter, options, _ in known.append((filter.raw.array, options)) }
        for (filter, _) in known where !items.contains(where: { $0.filter == filter }) {
            _ = tree.unsubscribe(filter.span, session: number)
            log.removeSubscription(number, filter.span.raw)
        }
        for item in items where !known.contains(where: { $0.filter == item.filter && $0.options == item.options & 15 })
        {
            // As many as the configuration names: no limit is reached by it.
            _ = try? tree.subscribe(item.filter.span, session: number, options: item.options & 15, identifier: 0)
            log.putSubscription(number, item.filter.span.raw, options: item.options & 15, identifier: 0)
        }
    }
}
