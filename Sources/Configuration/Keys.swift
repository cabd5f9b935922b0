// The table of every setting: the one place that names it, bounds it, documents it and says whether a reload applies
// it. The defaults are those of the structs in Configuration.swift.

extension Configuration {
    /// A table of the file and its keys, in the order of the reference. The unnamed one is the top of the file.
    package struct Section: Sendable {
        package let name: String
        package let keys: [Key<Configuration>]
    }

    package static let sections: [Section] = [
        Section(name: "", keys: top), Section(name: "limits", keys: limitKeys),
        Section(name: "store", keys: storeKeys),
        Section(name: "supervisor", keys: supervisorKeys), Section(name: "auth", keys: authKeys),
        Section(name: "log", keys: logKeys),
    ]

    private static func directory(_ name: String, _ path: any Key<Self>.Path<String>, _ about: String) -> Key<Self> {
        .text(name, path, allowed: "an absolute path", reload: false, about) { $0.hasPrefix("/") ? $0 : nil }
    }

    private static let top: [Key<Configuration>] = [
        directory(
            "state_dir", \.stateDirectory,
            "Where the broker keeps what must outlive it. Without it: `$STATE_DIRECTORY`, for root `/var/lib/apus`, "
                + "else `$XDG_STATE_HOME/apus`."),
        directory(
            "runtime_dir", \.runtimeDirectory,
            "Where the control socket is. Without it: `$RUNTIME_DIRECTORY`, for root `/run/apus`, else "
                + "`$XDG_RUNTIME_DIR/apus`, else `run` in the state folder."),
        directory(
            "libexec_dir", \.libexecDirectory,
            "Where the workers are. Without it: beside `apusd`, else `../libexec/apus` from there."),
        .duration(
            "sys_interval", \.systemInterval, 0...86_400_000,
            "How often the values under `$SYS/broker/` are published; 0 for never."),
        .text(
            "server_reference", \.serverReference, allowed: "HOST[:PORT], several with spaces between, or nothing",
            "Other brokers. MQTT 5 clients are told to go there when this one stops (DISCONNECT 0x9C) or has no room for "
                + "their session (CONNACK 0x9C)."
        ) { isReference($0) ? $0 : nil },
    ]

    private static let limitKeys: [Key<Configuration>] = [
        .integer(
            "connections", \.limits.connections, 1...10_000_000, reload: false,
            "Clients at one time, in the whole broker. Those beyond it are closed as they arrive, and counted."),
        .size(
            "packet_size", \.limits.packetSize, 16...268_435_455, reload: false,
            "The largest MQTT packet, and the largest WebSocket message, that a client may send."),
        .integer(
            "client_id_length", \.limits.clientIDLength, 23...65_535, "The longest client identifier, in bytes."),
        .integer("topic_length", \.limits.topicLength, 1...65_535, "The longest topic or filter, in bytes."),
        .integer("topic_levels", \.limits.topicLevels, 1...65_535, "The most levels that a topic or filter may have."),
        .integer("subscriptions", \.limits.subscriptions, 1...1_000_000, "Subscriptions that one client may hold."),
        .integer(
            "in_flight", \.limits.inFlight, 1...65_535,
            "Messages at QoS 1 and 2 under way to or from one client; what MQTT 5 calls Receive Maximum. To one whose session "
                + "outlives its connection at most 4,095."),
        .integer(
            "queue_messages", \.limits.queueMessages, 1...100_000_000,
            "Messages that wait for one session beyond those in flight."),
        .size(
            "queue_bytes", \.limits.queueBytes, 1024...(1 << 40),
            "Bytes that wait for one session, the messages' topics and payloads counted."),
        .choice(
            "queue_policy", \.limits.queuePolicy,
            "What happens to a message for a session whose queue is full: it replaces the oldest, it is dropped "
                + "itself, or the client is disconnected."
        ) { .string($0.rawValue) },
        .size(
            "output_buffer", \.limits.outputBuffer, 4096...(1 << 30),
            "Bytes that wait for one connection whose client does not read; what is more waits in its queue."),
        .size(
            "memory", \.limits.memory, (16 << 20)...(1 << 40), reload: false,
            "The buffers of one listener's connections. They are taken as needed, not at the start."),
        .integer(
            "retained_messages", \.limits.retainedMessages, 0...1_000_000_000, "Retained messages in the broker."),
        .size(
            "retained_bytes", \.limits.retainedBytes, 0...(1 << 40),
            "Bytes of retained messages in the broker, topics and payloads counted."),
        .integer("sessions", \.limits.sessions, 1...8_000_000, "Sessions in the broker, connected or not."),
        .duration(
            "session_expiry", \.limits.sessionExpiry, 1000...4_294_967_295_000,
            "The longest that a session waits for its client to come back; clients that ask for more get this."),
        .integer(
            "topic_aliases", \.limits.topicAliases, 0...65_535,
            "Topic aliases that an MQTT 5 client may use; 0 for none."),
        .integer(
            "given_topic_aliases", \.limits.givenTopicAliases, 0...255,
            "Topic aliases that the broker uses towards an MQTT 5 client that takes them; 0 for none."),
        .duration(
            "keep_alive_max", \.limits.keepAliveMax, 0...65_535_000,
            "The longest keep-alive. MQTT 5 clients that ask for more, or for none, are told this one; 65535 s lets "
                + "clients choose, none included."),
        .duration(
            "connect_timeout", \.limits.connectTimeout, 100...600_000,
            "How long a new connection may take to say CONNECT, its WebSocket handshake included; and how long it then may "
                + "take until it is known who it is."),
        .integer(
            "authentications", \.limits.authentications, 1...100_000,
            "Connections of one listener for which it is being found out who they are; others wait."),
        .size(
            "http_request", \.limits.httpRequest, 1024...65_536,
            "The largest HTTP request head on a WebSocket listener."),
        .duration(
            "heartbeat_timeout", \.limits.heartbeatTimeout, 1000...86_400_000,
            "A JSON client that sends nothing for this long, not even a pong, is disconnected."),
        .duration(
            "websocket_ping_interval", \.limits.websocketPingInterval, 1000...3_600_000,
            "How long a WebSocket may be silent before the server pings it."),
    ]

    private static let storeKeys: [Key<Configuration>] = [
        .choice(
            "durability", \.store.durability, reload: false,
            "When a message for a session that outlives its connection, or a retained one, is acknowledged: once it is "
                + "on disk (`commit`), or at once, with the disk about a second behind, which a crash of the broker or "
                + "a power cut may cost (`periodic`), or with no care for power cuts at all (`none`)."
        ) { .string($0.rawValue) },
        .size(
            "max_bytes", \.store.maxBytes, 0...(1 << 44), reload: false,
            "The largest that the store may become; 0 leaves it to the disk. What does not fit is refused."),
        .size(
            "min_free", \.store.minFree, 0...(1 << 40), reload: false,
            "Free bytes of the disk below which nothing new is stored, so that what is stored can still be worked off."),
    ]

    private static let supervisorKeys: [Key<Configuration>] = [
        .duration(
            "heartbeat_interval", \.supervisor.heartbeatInterval, 10...60_000,
            "How often the supervisor asks each worker whether it is alive."),
        .duration(
            "heartbeat_timeout", \.supervisor.heartbeatTimeout, 100...600_000,
            "A worker that does not answer for this long is killed and replaced."),
        .duration(
            "start_timeout", \.supervisor.startTimeout, 100...600_000,
            "How long a worker may take to become ready."),
        .duration(
            "stop_timeout", \.supervisor.stopTimeout, 100...600_000,
            "How long the workers may take to stop in order before they are killed."),
        .boolean(
            "router_standby", \.supervisor.routerStandby, reload: false,
            "Whether a second router waits to go on at once when the first one ends."),
    ]

    private static let authKeys: [Key<Configuration>] = [
        .choice(
            "anonymous", \.auth.anonymous,
            "Who may connect without a name and password: clients of this machine, everyone, or nobody. Without a "
                + "`password_file` this is who may connect at all."
        ) {
            switch $0 {
            case .loopback: .string("loopback")
            case .everyone: .boolean(true)
            case .nobody: .boolean(false)
            }
        },
        .text(
            "password_file", \.auth.passwordFile, allowed: "an absolute path, or nothing",
            "Users and their passwords, a line `USER:HASH` each, as `apusctl passwd` and `mosquitto_passwd` write them. Who "
                + "says a user name is let in only with its password then."
        ) { $0.isEmpty || $0.hasPrefix("/") ? $0 : nil },
        .integer(
            "hash_threads", \.auth.hashThreads, 1...64,
            "Passwords that are compared with hashes at one time. A reload makes it more; less waits for `apusctl restart "
                + "auth`."),
    ]

    private static let logKeys: [Key<Configuration>] = [
        .choice("level", \.log.level, "The least important lines that are still written.") {
            .string($0.rawValue)
        },
        .boolean(
            "connections", \.log.connections,
            "Whether each connection has a line when it opens and one when it closes."),
    ]

    /// The keys of a `[[listener]]`; the first three must be there.
    package static let listenerKeys: [Key<Listener>] = [
        .text(
            "name", \.name, allowed: "1 to 32 of a-z, 0-9 and -, unique",
            "The listener's name in logs, metrics, `ps` and apusctl."
        ) { isName($0) ? $0 : nil },
        .choice("protocol", \.transport, reload: false, "What is spoken on the port.") { .string($0.rawValue) },
        .text(
            "bind", \.bind, allowed: Address.allowed, reload: false,
            "The address and port, or the socket that systemd passes. Port 0 lets the system choose."
        ) { Address($0) },
        .integer("workers", \.workers, 1...64, reload: false, "Processes that share the port."),
        .texts(
            "origins", \.origins, allowed: #"a list of "same", "*" or "SCHEME://HOST[:PORT]""#,
            "Which pages may open a WebSocket: those from the host that they ask for (`same`), any (`*`), or those "
                + "of the origins listed."
        ) { isOrigin($0) },
        .texts(
            "hosts", \.hosts, allowed: "a list of host names without port",
            "Further names under which browsers reach a listener that is bound to loopback."
        ) { isHost($0) },
        .integer(
            "backlog", \.backlog, 1...65_535, reload: false,
            "Connections that the kernel holds until they are accepted."),
        .boolean(
            "standby", \.standby, reload: false,
            "Whether a second process waits, with duplicates of all sockets, to go on at once when the first one ends."),
    ]

    static let requiredListenerKeys = ["name", "protocol", "bind"]

    private static func isName(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d }
    }

    /// MQTT 5 §4.11: what stands between the spaces is not prescribed, but it is meant for people and for DNS.
    private static func isReference(_ text: String) -> Bool {
        text.utf8.count <= 1024 && text.utf8.allSatisfy { (0x20..<0x7f).contains($0) }
    }

    private static func isHost(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x3a && $0 != 0x2f }
    }

    /// RFC 6454 §6.2: a scheme, a host, perhaps a port; nothing after it.
    private static func isOrigin(_ text: String) -> Bool {
        if text == "same" || text == "*" { return true }
        let scheme = text.prefix { $0 != ":" }
        let rest = text.dropFirst(scheme.count)
        guard !scheme.isEmpty, scheme.utf8.allSatisfy({ (0x61...0x7a).contains($0) || $0 == 0x2d }),
            rest.hasPrefix("://"), rest.utf8.count > 3
        else { return false }
        return rest.dropFirst(3).utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x2f }
    }
}
