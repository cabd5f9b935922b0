// What each role is told of the configuration: the configuration's values as the catalogue's frames.

internal import Configuration
internal import Logging
internal import Messages

extension Supervisor {
    /// Sends a worker its settings, unless they are the ones that it has.
    func sendSettings(to worker: Worker, _ now: UInt64) {
        let frame: [UInt8]
        switch worker.place.role {
        case .router: frame = routerSettings(configuration).encoded()
        case .bridge:
            guard let bridge = configuration.bridge else { return }
            frame = bridgeSettings(configuration, bridge).encoded()
        case .auth: frame = authSettings(configuration, reading: passwordReading).encoded()
        case .listener:
            guard let listener = configuration.listeners.first(where: { $0.name == worker.place.listener }),
                let port = ports.first(where: { $0.listener.name == listener.name })
            else { return }
            frame = listenerSettings(configuration, listener, isLoopback: port.isLoopback).encoded()
        }
        guard frame != worker.settings else { return }
        worker.settings = frame
        sendFrame(frame, to: worker, descriptors: [], now)
    }
}

func routerSettings(_ configuration: Configuration) -> RouterSettings {
    let limits = configuration.limits
    var settings = RouterSettings()
    settings.sessions = UInt32(clamping: limits.sessions)
    settings.subscriptions = UInt32(clamping: limits.subscriptions)
    settings.topicLevels = UInt32(clamping: limits.topicLevels)
    settings.inFlight = UInt16(clamping: limits.inFlight)
    settings.queueMessages = UInt32(clamping: limits.queueMessages)
    settings.queueBytes = UInt64(limits.queueBytes)
    settings.queuePolicy =
        switch limits.queuePolicy {
        case .dropOldest: .dropOldest
        case .dropNewest: .dropNewest
        case .disconnect: .disconnect
        }
    settings.retainedMessages = UInt32(clamping: limits.retainedMessages)
    settings.retainedBytes = UInt64(limits.retainedBytes)
    settings.packetSize = UInt32(clamping: limits.packetSize)
    settings.logLevel = configuration.log.level.number
    settings.sessionExpiry = UInt32(clamping: limits.sessionExpiry.components.seconds)
    settings.durability =
        switch configuration.store.durability {
        case .commit: .commit
        case .periodic: .periodic
        case .none: .none
        }
    settings.stateDirectory = configuration.stateDirectory
    settings.storeBytes = UInt64(configuration.store.maxBytes)
    settings.minimumFree = UInt64(configuration.store.minFree)
    settings.systemInterval = UInt32(clamping: configuration.systemInterval.milliseconds)
    settings.version = apusVersion
    settings.bridge = configuration.bridge.map(bridgeSession)
    return settings
}

/// What waits for RabbitMQ, and how much of it.
private func bridgeSession(_ bridge: Configuration.Bridge) -> BridgeSession {
    // What the bridge publishes itself does not come back to it; the retain flag stays as it was published.
    let options = UInt8(clamping: bridge.qos) | 0b1100
    let isCluster = bridge.mode == .cluster
    return BridgeSession(
        items: outbound(bridge).map { SubscribeFrame.Item(filter: Array($0.utf8), options: options) },
        messages: UInt32(clamping: bridge.backlogMessages), bytes: UInt64(bridge.backlogBytes),
        policy: bridge.backlogPolicy == .dropOldest ? .dropOldest : .dropNewest, isCluster: isCluster)
}

private func outbound(_ bridge: Configuration.Bridge) -> [String] {
    bridge.outbound.isEmpty && bridge.mode == .cluster ? ["#"] : bridge.outbound
}

func bridgeSettings(_ configuration: Configuration, _ bridge: Configuration.Bridge) -> BridgeSettings {
    var settings = BridgeSettings()
    settings.isCluster = bridge.mode == .cluster
    settings.node = bridge.node
    settings.uris = bridge.uris
    settings.authorities = bridge.authorities
    settings.certificate = bridge.certificate
    settings.key = bridge.key
    settings.verifiesHost = bridge.verifiesHost
    // AMQP counts them in seconds; what is less than one is one.
    settings.heartbeat = UInt16(clamping: (bridge.heartbeat.milliseconds + 999) / 1000)
    settings.connectTimeout = UInt32(clamping: bridge.connectTimeout.milliseconds)
    settings.retryLimit = UInt32(clamping: bridge.retryLimit.milliseconds)
    settings.prefetch = UInt16(clamping: bridge.prefetch)
    settings.inFlight = UInt16(clamping: bridge.inFlight)
    settings.exchange = bridge.exchange
    settings.exchangeType = bridge.exchangeType.rawValue
    settings.declaresExchange = bridge.declaresExchange
    settings.queue = !bridge.queue.isEmpty ? bridge.queue : settings.isCluster ? "apus.\(bridge.node)" : "apus"
    settings.isQuorum = bridge.queueType == .quorum
    settings.queueTTL = UInt64(clamping: bridge.queueTTL.milliseconds)
    settings.queueLength = UInt64(clamping: bridge.queueLength)
    settings.bindings = UInt32(clamping: bridge.bindings)
    settings.inbound = bridge.inbound
    settings.isOutbound = !outbound(bridge).isEmpty
    settings.template = bridge.routingKey
    // What clients of no other broker want reaches no queue.
    settings.isMandatory = bridge.mandatory && !settings.isCluster
    settings.packetSize = UInt32(clamping: configuration.limits.packetSize)
    settings.topicLength = UInt32(clamping: configuration.limits.topicLength)
    settings.topicLevels = UInt32(clamping: configuration.limits.topicLevels)
    settings.logLevel = configuration.log.level.number
    return settings
}

/// - Parameter isLoopback: whether the port that was really bound can be reached from this machine only.
func listenerSettings(
    _ configuration: Configuration, _ listener: Configuration.Listener, isLoopback: Bool
) -> ListenerSettings {
    let limits = configuration.limits
    func milliseconds(_ duration: Duration) -> UInt32 { UInt32(clamping: duration.milliseconds) }
    var settings = ListenerSettings()
    settings.transport =
        switch listener.transport {
        case .mqtt: .mqtt
        case .websocket: .webSocket
        }
    settings.anonymous =
        switch configuration.auth.anonymous {
        case .nobody: .refused
        case .loopback: .loopback
        case .everyone: .allowed
        }
    settings.boundToLoopback = isLoopback
    settings.logConnections = configuration.log.connections
    settings.logLevel = configuration.log.level.number
    settings.packetSize = UInt32(clamping: limits.packetSize)
    settings.topicLevels = UInt32(clamping: limits.topicLevels)
    settings.topicLength = UInt32(clamping: limits.topicLength)
    settings.clientIdentifierLength = UInt32(clamping: limits.clientIDLength)
    settings.topicAliases = UInt16(clamping: limits.topicAliases)
    settings.givenTopicAliases = UInt8(clamping: limits.givenTopicAliases)
    settings.inFlight = UInt16(clamping: limits.inFlight)
    // 65,535 s is no limit: a client could not ask for more, and may ask for none.
    let keepAlive = UInt16(clamping: limits.keepAliveMax.components.seconds)
    settings.keepAliveMaximum = keepAlive == .max ? 0 : keepAlive
    settings.outputBuffer = UInt32(clamping: limits.outputBuffer)
    settings.httpRequest = UInt32(clamping: limits.httpRequest)
    settings.connectTimeout = milliseconds(limits.connectTimeout)
    settings.heartbeatTimeout = milliseconds(limits.heartbeatTimeout)
    settings.webSocketPingInterval = milliseconds(limits.websocketPingInterval)
    settings.serverReference = configuration.serverReference
    settings.origins = listener.origins
    settings.hosts = listener.hosts
    settings.authenticates = configuration.auth.authenticates
    settings.authentications = UInt32(clamping: limits.authentications)
    return settings
}

/// - Parameter reading: counts the reloads.
func authSettings(_ configuration: Configuration, reading: UInt32) -> AuthSettings {
    var settings = AuthSettings()
    settings.passwordFile = configuration.auth.passwordFile
    settings.reading = reading
    settings.threads = UInt16(clamping: configuration.auth.hashThreads)
    settings.requests = UInt32(clamping: configuration.limits.authentications)
    settings.connections = UInt32(clamping: configuration.limits.connections)
    settings.logLevel = configuration.log.level.number
    return settings
}

extension Configuration.LogLevel {
    /// The level's place among those of the log library, as settings carry it.
    fileprivate var number: UInt8 {
        UInt8(Logger.Level.allCases.firstIndex(of: journal) ?? 2)
    }
}
