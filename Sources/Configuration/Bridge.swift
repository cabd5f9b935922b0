// `[bridge.rabbitmq]`: what goes to RabbitMQ and what comes from there. The table of its keys is the reference's.

import Glibc

extension Configuration {
    /// `[bridge.rabbitmq]`. Sizes are in bytes; a limit of 0 is none.
    package struct Bridge: Sendable, Equatable {
        package var mode = Mode.bridge
        package var uris: [String] = []
        package var authorities = ""
        package var certificate = ""
        package var key = ""
        package var verifiesHost = true
        package var node = Bridge.hostName
        package var heartbeat = Duration.seconds(10)
        package var connectTimeout = Duration.seconds(5)
        package var retryLimit = Duration.seconds(30)
        package var outbound: [String] = []
        package var inbound: [String] = []
        package var qos = 1
        package var exchange = "amq.topic"
        package var exchangeType = ExchangeType.topic
        package var declaresExchange = true
        package var mandatory = true
        package var routingKey = "{topic}"
        package var inFlight = 1000
        /// Empty: as the mode has it.
        package var queue = ""
        package var queueType = QueueType.classic
        package var queueTTL = Duration.zero
        package var queueLength = 0
        package var prefetch = 1000
        package var bindings = 10_000
        package var backlogMessages = 1_000_000
        package var backlogBytes = 1 << 30
        package var backlogPolicy = BacklogPolicy.dropOldest

        package init() {}

        /// What this machine calls itself.
        private static var hostName: String {
            var name = [CChar](repeating: 0, count: 256)
            // Safe: the call is told the room, less the zero at the end.
            guard unsafe gethostname(&name, name.count - 1) == 0 else { return "apus" }
            return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
    }

    /// The most that `prefetch` may be in a cluster: with `in_flight` less than the router remembers of each node's messages.
    package static let clusterPrefetch = 4096

    /// What shares the exchange with this broker.
    package enum Mode: String, Sendable, CaseIterable {
        /// Programs behind RabbitMQ.
        case bridge
        /// Those, and other brokers that are one with this one to their clients.
        case cluster
    }

    /// The types of exchange that every RabbitMQ has.
    package enum ExchangeType: String, Sendable, CaseIterable {
        case topic, direct, fanout, headers
    }

    package enum QueueType: String, Sendable, CaseIterable {
        case classic, quorum
    }

    /// What happens to a message for RabbitMQ where as many wait as may.
    package enum BacklogPolicy: String, Sendable, CaseIterable {
        case dropOldest = "drop_oldest"
        case dropNewest = "drop_newest"
    }

    /// The keys of `[bridge.rabbitmq]`; the first must be there.
    package static let bridgeKeys: [Key<Bridge>] = [
        Key(
            name: "uri",
            allowed: #""amqp://[USER:PASSWORD@]HOST[:PORT][/VHOST]", amqps:// for TLS, or a list of these"#,
            reload: true, about: "Where RabbitMQ is. Of several servers the next is tried when one does not answer."
        ) {
            let texts: [String]
            switch $1 {
            case .string(let text): texts = [text]
            case .strings(let list): texts = list
            default: return false
            }
            guard !texts.isEmpty, texts.allSatisfy(isAMQP) else { return false }
            $0.uris = texts
            return true
        } get: {
            $0.uris.count == 1 ? .string($0.uris[0]) : .strings($0.uris)
        },
        .choice(
            "mode", \.mode,
            "What shares the exchange: `bridge` for programs behind RabbitMQ, `cluster` for other brokers, too, that are one "
                + "broker with this one to their clients."
        ) { .string($0.rawValue) },
        file(
            "ca", \.authorities,
            "The certificates, in PEM, that a server's is checked against; without it, the system's."),
        file("certificate", \.certificate, "The bridge's own certificate, in PEM, for a server that asks for one."),
        file("key", \.key, "Its key, in PEM."),
        .boolean("verify_host", \.verifiesHost, "Whether the server's certificate has to name the host of the URI."),
        .text(
            "node", \.node, allowed: "1 to 128 characters",
            "What this broker is called among those that share an exchange: messages that bear its name are its own, and "
                + "are not taken back. Without it: the machine's name."
        ) { (1...128).contains($0.utf8.count) ? $0 : nil },
        .duration(
            "heartbeat", \.heartbeat, 0...65_535_000,
            "How long the connection may be silent before its server is taken for dead; 0 for no heartbeat."),
        .duration(
            "connect_timeout", \.connectTimeout, 100...600_000, "How long a server may take to answer a connect."),
        .duration(
            "retry_limit", \.retryLimit, 100...3_600_000,
            "The longest between two tries to connect. They begin 100 ms apart and double, each by chance up to a half "
                + "shorter."),
        filters(
            "outbound", \.outbound, longest: 16_384,
            "What goes to RabbitMQ: messages whose topics match one of these filters. In a cluster, without it: all but those that "
                + "begin with `$`."),
        filters(
            "inbound", \.inbound, longest: 255,
            "What comes from RabbitMQ: the queue is bound to the exchange by the routing key of each of these filters. In a "
                + "cluster it is what clients subscribe to, and this is not allowed."),
        .integer(
            "qos", \.qos, 0...1,
            "Of what goes to RabbitMQ: 1 keeps each message on disk until the server confirms it and repeats what it has not, "
                + "0 does neither."),
        .text(
            "exchange", \.exchange, allowed: "1 to 255 bytes", "The exchange that messages go to and come from."
        ) { (1...255).contains($0.utf8.count) ? $0 : nil },
        .choice("exchange_type", \.exchangeType, "Its type.") { .string($0.rawValue) },
        .boolean(
            "declare_exchange", \.declaresExchange,
            "Whether the exchange is declared, durable, where it is missing; otherwise a missing one is an error."),
        .boolean(
            "mandatory", \.mandatory,
            "Whether a message that reaches no queue of RabbitMQ's is counted and told in the log. In a cluster none is: nobody has "
                + "to want it elsewhere."),
        .text(
            "routing_key", \.routingKey, allowed: "a text of at most 200 bytes with {topic} in it once",
            "How a topic becomes a routing key: `{topic}` stands for the topic with `.` for `/`. Keys from RabbitMQ have "
                + "to look like this, too."
        ) { isTemplate($0) ? $0 : nil },
        .integer(
            "in_flight", \.inFlight, 1...4095, "Messages on their way to RabbitMQ that it has not confirmed."),
        .text(
            "queue", \.queue, allowed: "0 to 200 bytes",
            "The durable queue that messages come from; without it `apus`, and in a cluster `apus.` with the node's name "
                + "behind it."
        ) { $0.utf8.count <= 200 ? $0 : nil },
        .choice("queue_type", \.queueType, "Its type; `quorum` is kept by several servers.") { .string($0.rawValue) },
        .duration(
            "queue_ttl", \.queueTTL, 0...4_294_967_295,
            "How long a message may wait in the queue (`x-message-ttl`); 0 for ever."),
        .integer(
            "queue_length", \.queueLength, 0...1_000_000_000,
            "Messages that the queue holds, the oldest going first (`x-max-length`); 0 for no limit."),
        .integer(
            "prefetch", \.prefetch, 1...65_535,
            "Messages from RabbitMQ that are not acknowledged to it yet. In a cluster at most \(clusterPrefetch)."),
        .integer(
            "bindings", \.bindings, 1...1_000_000,
            "Different filters, in a cluster, that the queue is bound by one by one. With more of them it takes everything "
                + "that is published anywhere."),
        .integer(
            "backlog_messages", \.backlogMessages, 1...100_000_000,
            "Messages that wait for RabbitMQ, on disk, while it is away or slow."),
        .size("backlog_bytes", \.backlogBytes, 1024...(1 << 40), "Bytes of them."),
        .choice(
            "backlog_policy", \.backlogPolicy,
            "What happens to a message beyond that: it takes the place of the oldest, or it is dropped itself. Both are "
                + "counted."
        ) { .string($0.rawValue) },
    ]

    static let requiredBridgeKeys = ["uri"]

    private static func file(_ name: String, _ path: any Key<Bridge>.Path<String>, _ about: String) -> Key<Bridge> {
        .text(name, path, allowed: "an absolute path", about) { $0.hasPrefix("/") ? $0 : nil }
    }

    /// A list of topic filters that AMQP can say; all of them together fit into a frame.
    private static func filters(
        _ name: String, _ path: any Key<Bridge>.Path<[String]>, longest: Int, _ about: String
    ) -> Key<Bridge> {
        let room = 16_384
        return Key(
            name: name,
            allowed: "a list of topic filters without . and *, of \(room) bytes together, each up to \(longest)",
            reload: true, about: about
        ) {
            guard case .strings(let texts) = $1, texts.reduce(0, { $0 + $1.utf8.count + 8 }) <= room,
                texts.allSatisfy({ isFilter($0) && $0.utf8.count <= longest })
            else { return false }
            $0[keyPath: path] = texts
            return true
        } get: {
            .strings($0[keyPath: path])
        }
    }

    /// What stands between scheme and path is RabbitMQ's to judge, or the C library's; here only what could be no URI at all.
    private static func isAMQP(_ text: String) -> Bool {
        let rest =
            text.hasPrefix("amqp://") ? text.dropFirst(7) : text.hasPrefix("amqps://") ? text.dropFirst(8) : ""
        return !rest.isEmpty && rest.utf8.count <= 2048 && rest.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
    }

    /// [MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.7.3-1]: `#` is the last level, `+` a whole one. Shared ones have no meaning here,
    /// and what has AMQP's separator or wildcard in it can not be said there.
    private static func isFilter(_ text: String) -> Bool {
        let levels = text.split(separator: "/", omittingEmptySubsequences: false)
        return !text.isEmpty && !text.utf8.contains { $0 == 0 || $0 == 0x2e || $0 == 0x2a } && levels.first != "$share"
            && levels.enumerated().allSatisfy { index, level in
                level == "+" || (level == "#" && index == levels.count - 1)
                    || !level.utf8.contains(where: { $0 == 0x2b || $0 == 0x23 })
            }
    }

    private static func isTemplate(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        let mark = Array("{topic}".utf8)
        return bytes.count <= 200 && bytes.allSatisfy { $0 != 0x2a && $0 != 0x23 && $0 >= 0x20 }
            && bytes.indices.count { bytes[$0...].starts(with: mark) } == 1
    }
}
