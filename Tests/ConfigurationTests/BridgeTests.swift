import Testing

@testable import Configuration

@Suite struct BridgeTests {
    static func bridge(_ lines: String) throws -> Configuration.Bridge? {
        try parse("[bridge.rabbitmq]\nuri = \"amqp://h\"\n" + lines).bridge
    }

    @Test func withoutItsTableThereIsNone() throws {
        #expect(try parse("").bridge == nil)
    }

    @Test func aURIIsEnough() throws {
        let bridge = try #require(try Self.bridge(""))
        var expected = Configuration.Bridge()
        expected.uris = ["amqp://h"]
        #expect(bridge == expected)
        #expect(!bridge.node.isEmpty)
    }

    @Test func severalServers() throws {
        let text = "[bridge.rabbitmq]\nuri = [\"amqp://a:1/v\", \"amqps://u:p@b\"]\n"
        #expect(try parse(text).bridge?.uris == ["amqp://a:1/v", "amqps://u:p@b"])
    }

    @Test(arguments: ["#", "+", "a/+/b/#", "/", "$x/#", "a"]) func filters(_ filter: String) throws {
        #expect(try Self.bridge("outbound = [\"\(filter)\"]\n")?.outbound == [filter])
    }

    @Test(
        arguments: [
            ("uri", "\"http://h\""), ("uri", "[]"), ("uri", "\"amqp://\""), ("uri", "\"amqp://a b\""),
            ("outbound", "[\"\"]"), ("outbound", "[\"a#\"]"), ("outbound", "[\"#/a\"]"), ("outbound", "[\"a+/b\"]"),
            ("outbound", "[\"a.b\"]"), ("inbound", "[\"a/*\"]"), ("outbound", "[\"$share/g/a\"]"), ("inbound", "\"a\""),
            ("inbound", "[\"\(String(repeating: "a", count: 256))\"]"),
            ("outbound", "[\"\(String(repeating: "a", count: 16_377))\"]"),
            ("routing_key", "\"a\""), ("routing_key", "\"{topic}{topic}\""), ("routing_key", "\"*.{topic}\""),
            ("node", "\"\""), ("ca", "\"relative\""), ("qos", "2"), ("exchange", "\"\""), ("prefetch", "0"),
            ("backlog_policy", "\"disconnect\""),
        ]) func refused(_ key: String, _ value: String)
    {
        let uri = key == "uri" ? "" : "uri = \"amqp://h\"\n"
        let found = problems("[bridge.rabbitmq]\n\(uri)\(key) = \(value)\n")
        #expect(found.count == 1)
        #expect(found.allSatisfy { $0.contains("bridge.rabbitmq.\(key): ") && $0.contains("must be") }, "\(found)")
    }

    @Test func atTheLimits() throws {
        let longest = String(repeating: "a", count: 255)
        #expect(try Self.bridge("inbound = [\"\(longest)\"]\n")?.inbound == [longest])
        let all = String(repeating: "a", count: 16_376)
        #expect(try Self.bridge("outbound = [\"\(all)\"]\n")?.outbound == [all])
    }

    @Test func whatItNeeds() {
        #expect(problems("[bridge.rabbitmq]\n").contains { $0.contains("bridge.rabbitmq.uri: is missing") })
        #expect(problems("[bridge.kafka]\n").contains { $0.contains("bridge.kafka: unknown") })
        #expect(problems("bridge = 1\n").contains { $0.contains("bridge: must be a table") })
        let key = problems("[bridge.rabbitmq]\nuri = \"amqp://h\"\nkey = \"/k\"\n")
        #expect(key.contains { $0.contains("certificate and key belong together") })
    }

    @Test func aCluster() throws {
        let bridge = try #require(try Self.bridge("mode = \"cluster\"\nbindings = 1\n"))
        #expect(bridge.mode == .cluster && bridge.bindings == 1)
        let inbound = problems("[bridge.rabbitmq]\nuri = \"amqp://h\"\nmode = \"cluster\"\ninbound = [\"a\"]\n")
        #expect(inbound.count == 1 && inbound[0].contains("bridge.rabbitmq.inbound"), "\(inbound)")
        let type = "mode = \"cluster\"\nexchange = \"e\"\nexchange_type = \"fanout\"\n"
        let fanout = problems("[bridge.rabbitmq]\nuri = \"amqp://h\"\n" + type)
        let prefetch = "[bridge.rabbitmq]\nuri = \"amqp://h\"\nmode = \"cluster\"\nprefetch = "
        #expect(problems(prefetch + "4096\n").isEmpty)
        let many = problems(prefetch + "4097\n")
        #expect(many.count == 1 && many[0].contains("bridge.rabbitmq.prefetch"), "\(many)")
        #expect(fanout.count == 1 && fanout[0].contains("bridge.rabbitmq.exchange_type"), "\(fanout)")
    }

    @Test func aReloadTakesEverything() throws {
        let one = try parse("[bridge.rabbitmq]\nuri = \"amqp://h\"\n")
        let other = try parse("[bridge.rabbitmq]\nuri = \"amqp://g\"\noutbound = [\"a\"]\n")
        let none = try parse("")
        #expect(one.changes(to: other).applied == ["bridge.rabbitmq.uri", "bridge.rabbitmq.outbound"])
        #expect(one.changes(to: other).needsRestart.isEmpty)
        #expect(
            none.changes(to: one).applied == ["bridge.rabbitmq"] && one.changes(to: none).applied == ["bridge.rabbitmq"]
        )
        #expect(one.applying(other) == other)
    }
}
