import Testing

@testable import Configuration

/// What applies where the file says nothing, in these tests.
let base = Configuration(stateDirectory: "/state", runtimeDirectory: "/runtime", libexecDirectory: "/libexec")

func parse(_ text: String) throws(ConfigurationErrors) -> Configuration {
    try Configuration.parse(text, file: "apus.toml", over: base)
}

/// The problems of a text, a line each.
func problems(_ text: String) -> [String] {
    do {
        _ = try parse(text)
        return []
    } catch {
        return error.problems.map(\.description)
    }
}

@Suite struct ConfigurationTests {
    @Test func anEmptyFileIsTheDefaults() throws {
        let configuration = try parse("")
        #expect(configuration == base)
        #expect(configuration.listeners.map(\.bind.description) == ["127.0.0.1:1883", "127.0.0.1:2884"])
        #expect(configuration.listeners.map(\.name) == ["mqtt", "web"])
        #expect(configuration.listeners.map(\.transport) == [.mqtt, .websocket])
        #expect(configuration.listeners.allSatisfy { $0.bind.isLoopback })
        #expect(configuration.auth.anonymous == .loopback)
    }

    @Test func everySettingIsRead() throws {
        let configuration = try parse(
            """
            state_dir = "/s"
            runtime_dir = "/r"
            libexec_dir = "/l"
            server_reference = "other.example:1883 another.example"

            [[listener]]
            name = "tcp-6"
            protocol = "mqtt"
            bind = "[::1]:1884"
            workers = 4
            backlog = 128

            [[listener]]
            name = "pages"
            protocol = "websocket"
            bind = "systemd:pages"
            origins = ["same", "https://example.org:8443"]
            hosts = ["broker.home"]

            [limits]
            connections = 5
            packet_size = "1 MiB"
            client_id_length = 23
            topic_length = 100
            topic_levels = 8
            subscriptions = 9
            in_flight = 10
            queue_messages = 11
            queue_bytes = 2048
            queue_policy = "disconnect"
            output_buffer = "64KiB"
            memory = "16 MiB"
            retained_messages = 0
            retained_bytes = "0 B"
            sessions = 12
            topic_aliases = 0
            given_topic_aliases = 255
            keep_alive_max = "2 min"
            connect_timeout = "500 ms"
            http_request = 4096
            heartbeat_timeout = 45
            websocket_ping_interval = "1 h"

            [supervisor]
            heartbeat_interval = "50 ms"
            heartbeat_timeout = 3
            start_timeout = "1 min"
            stop_timeout = "9 s"

            [auth]
            anonymous = false

            [log]
            level = "debug"
            connections = false
            """)
        var expected = Configuration(stateDirectory: "/s", runtimeDirectory: "/r", libexecDirectory: "/l")
        var tcp = Configuration.Listener(name: "tcp-6", transport: .mqtt, bind: .ipv6(host: "::1", port: 1884))
        tcp.workers = 4
        tcp.backlog = 128
        var pages = Configuration.Listener(name: "pages", transport: .websocket, bind: .systemd(name: "pages"))
        pages.origins = ["same", "https://example.org:8443"]
        pages.hosts = ["broker.home"]
        expected.listeners = [tcp, pages]
        expected.limits.connections = 5
        expected.limits.packetSize = 1_048_576
        expected.limits.clientIDLength = 23
        expected.limits.topicLength = 100
        expected.limits.topicLevels = 8
        expected.limits.subscriptions = 9
        expected.limits.inFlight = 10
        expected.limits.queueMessages = 11
        expected.limits.queueBytes = 2048
        expected.limits.queuePolicy = .disconnect
        expected.limits.outputBuffer = 65_536
        expected.limits.memory = 16_777_216
        expected.limits.retainedMessages = 0
        expected.limits.retainedBytes = 0
        expected.limits.sessions = 12
        expected.limits.topicAliases = 0
        expected.limits.givenTopicAliases = 255
        expected.serverReference = "other.example:1883 another.example"
        expected.limits.keepAliveMax = .seconds(120)
        expected.limits.connectTimeout = .milliseconds(500)
        expected.limits.httpRequest = 4096
        expected.limits.heartbeatTimeout = .seconds(45)
        expected.limits.websocketPingInterval = .seconds(3600)
        expected.supervisor.heartbeatInterval = .milliseconds(50)
        expected.supervisor.heartbeatTimeout = .seconds(3)
        expected.supervisor.startTimeout = .seconds(60)
        expected.supervisor.stopTimeout = .seconds(9)
        expected.auth.anonymous = .nobody
        expected.log.level = .debug
        expected.log.connections = false
        #expect(configuration == expected)
    }

    /// Each default must be one that the file could hold too.
    @Test func everyDefaultIsAllowed() {
        for section in Configuration.sections {
            for key in section.keys {
                var configuration = base
                let accepted = key.set(&configuration, key.get(base))
                #expect(accepted && configuration == base, "\(section.name).\(key.name)")
            }
        }
        for listener in base.listeners {
            for key in Configuration.listenerKeys {
                var copy = listener
                let accepted = key.set(&copy, key.get(listener))
                #expect(accepted && copy == listener, "listener.\(key.name)")
            }
        }
    }

    @Test(arguments: [
        ("8 MiB", 8_388_608), ("16B", 16), ("1KiB", 1024), ("2 GiB", 2_147_483_648), ("8 MB", nil), ("MiB", nil),
        ("-1 B", nil), ("1.5 MiB", nil), ("99999999999 GiB", nil), ("١ B", nil), ("8 MiB ", nil), ("", nil),
    ]) func sizes(_ text: String, _ bytes: Int?) {
        #expect(Units.parse(text, Units.sizes) == bytes)
    }

    @Test(arguments: [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1536 B"), (3 << 20, "3 MiB")])
    func sizesAreShownInTheLargestUnit(_ bytes: Int, _ text: String) {
        #expect(Units.format(bytes, Units.sizes) == text)
    }

    @Test func millisecondsOfADuration() {
        #expect(Duration.milliseconds(1234).milliseconds == 1234)
        #expect(Duration.seconds(65_535).milliseconds == 65_535_000)
        #expect(Duration.microseconds(1999).milliseconds == 1)
    }
}

@Suite struct AddressTests {
    @Test(
        arguments: [
            ("127.0.0.1:1883", .ipv4(host: "127.0.0.1", port: 1883)), ("0.0.0.0:0", .ipv4(host: "0.0.0.0", port: 0)),
            ("localhost:65535", .ipv4(host: "127.0.0.1", port: 65_535)), ("[::]:1883", .ipv6(host: "::", port: 1883)),
            ("[0:0::0:1]:80", .ipv6(host: "::1", port: 80)), ("systemd:mqtt.socket", .systemd(name: "mqtt.socket")),
            ("127.0.0.1", nil), ("127.0.0.1:", nil), ("127.0.0.1:65536", nil), ("127.0.0.1:+1", nil), (":1883", nil),
            ("::1:1883", nil), ("[::1]", nil), ("[127.0.0.1]:1", nil), ("example.org:1883", nil), ("1.2.3:4", nil),
            ("systemd:", nil), ("systemd:a b", nil), ("systemd:a:b", nil), ("", nil), ("[fe80::1%lo]:1", nil),
        ] as [(String, Configuration.Address?)]) func parsed(_ text: String, _ address: Configuration.Address?)
    {
        #expect(Configuration.Address(text) == address)
        if let address { #expect(Configuration.Address(address.description) == address) }
    }

    @Test func loopback() {
        let texts = ["127.9.0.1:1", "[::1]:1", "0.0.0.0:1", "[::]:1", "systemd:a", "10.0.0.1:1"]
        let loopback = texts.map { Configuration.Address($0)?.isLoopback }
        #expect(loopback == [true, true, false, false, false, false])
    }
}
