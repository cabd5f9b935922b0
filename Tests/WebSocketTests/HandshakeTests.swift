import Testing

@testable import WebSocket

@Suite("Handshake")
struct HandshakeTests {
    /// A request as browsers send it, with the key of RFC 6455 §1.3. A header that is given replaces the default
    /// one of its name, and nil removes it.
    static func request(
        _ headers: KeyValuePairs<String, String?> = [:], line: String = "GET /chat HTTP/1.1"
    ) -> [UInt8] {
        var fields: [(String, String)] = [
            ("Host", "server.example.com"), ("Upgrade", "websocket"), ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", "13"),
        ]
        for (name, _) in headers { fields.removeAll { $0.0 == name } }
        for (name, value) in headers { if let value { fields.append((name, value)) } }
        return Array((([line] + fields.map { "\($0): \($1)" }).joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    static func read(
        _ bytes: [UInt8], _ policy: HandshakePolicy = HandshakePolicy(isLoopback: false), limit: Int = 8192
    ) -> Handshake.Outcome {
        withBytes(bytes) { Handshake.read($0, policy: policy, limit: limit) }
    }

    static func status(_ outcome: Handshake.Outcome) -> UInt16 {
        switch outcome {
        case .incomplete: 0
        case .upgrade: 101
        case .respond(let answer): answer.status.rawValue
        }
    }

    @Test("RFC 6455 §1.3: the example's key and answer")
    func example() {
        let request = Self.request(["Origin": "http://example.com"])
        let outcome = Self.read(request, HandshakePolicy(origins: ["*"], isLoopback: false))
        guard case .upgrade(let upgrade) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(upgrade.consumed == request.count && upgrade.subprotocol == .json && !upgrade.isForwarded)
        #expect(
            String(decoding: outcome.response(), as: UTF8.self) == """
                HTTP/1.1 101 Switching Protocols\r
                Upgrade: websocket\r
                Connection: Upgrade\r
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
                \r

                """)
    }

    @Test("a frame may follow the request at once")
    func followed() {
        let request = Self.request()
        guard case .upgrade(let upgrade) = Self.read(request + [0x81, 0x80, 0, 0, 0, 0]) else {
            Issue.record("no upgrade")
            return
        }
        #expect(upgrade.consumed == request.count)
    }

    @Test("a request cut anywhere is incomplete")
    func truncated() {
        let request = Self.request(["Sec-WebSocket-Protocol": "mqtt"])
        for count in 0..<request.count {
            #expect(Self.read(Array(request.prefix(count))) == .incomplete, "with \(count) bytes")
        }
    }

    @Test(
        "the subprotocol",
        arguments: [
            (nil, .json), ("", .json), (" , ", .json), ("mqtt", .mqtt), ("mqttv3.1", .mqtt31),
            ("mqttv3.1, mqtt", .mqtt31),
            ("mqtt,mqttv3.1", .mqtt), ("chat , mqtt", .mqtt), ("chat", nil), ("MQTT", nil), ("mqttv5", nil),
        ] as [(String?, Subprotocol?)])
    func subprotocol(_ offered: String?, _ expected: Subprotocol?) {
        let outcome = Self.read(Self.request(["Sec-WebSocket-Protocol": offered]))
        guard let expected else {
            #expect(Self.status(outcome) == 400)
            return
        }
        guard case .upgrade(let upgrade) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(upgrade.subprotocol == expected)
        let response = String(decoding: outcome.response(), as: UTF8.self)
        if let name = expected.name {
            #expect(response.hasSuffix("\r\nSec-WebSocket-Protocol: \(name)\r\n\r\n"))
        } else {
            #expect(!response.contains("Sec-WebSocket-Protocol"))
        }
    }

    @Test("subprotocols over two headers are one list")
    func subprotocolsOverTwoHeaders() {
        let request = Self.request(["Sec-WebSocket-Protocol": "chat", "sec-websocket-protocol": "mqttv3.1"])
        guard case .upgrade(let upgrade) = Self.read(request) else {
            Issue.record("no upgrade")
            return
        }
        #expect(upgrade.subprotocol == .mqtt31)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: [UInt8]
        let status: UInt16

        init(_ name: String, _ bytes: [UInt8], _ status: UInt16) {
            testDescription = name
            self.bytes = bytes
            self.status = status
        }

        init(_ text: String, _ status: UInt16) {
            self.init("\(text.prefix(40).debugDescription)", Array(text.utf8), status)
        }
    }

    static let cases: [Case] = [
        Case("any path", request(line: "GET /mqtt?x=1 HTTP/1.1"), 101),
        Case("the root", request(line: "GET / HTTP/1.1"), 101),
        Case("an absolute target", request(line: "GET http://server.example.com/chat HTTP/1.1"), 101),
        Case("an absolute target without a path", request(line: "GET http://server.example.com HTTP/1.1"), 101),
        Case("an absolute target of another host", request(line: "GET http://example.org/ HTTP/1.1"), 400),
        Case("case and lists", request(["Upgrade": "h2c, WebSocket", "Connection": "keep-alive, UPGRADE"]), 101),
        Case("Content-Length: 0", request(["Content-Length": "0"]), 101),
        Case("white space around a value", request(["Sec-WebSocket-Version": " \t 13 \t"]), 101),
        Case("a key with stray bits", request(["Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAB=="]), 101),

        Case("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        Case("GET / HTTP/1.1\r\nHost:a\r\nX:\r\n\r\n", 200),
        Case("GET /favicon.ico HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        Case("GET /mqtt HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        Case("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n\r\n", 200),
        Case("POST / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        Case("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        Case("OPTIONS /x HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        Case("upgrade by POST", request(line: "POST /chat HTTP/1.1"), 405),
        Case("GET / HTTP/1.0\r\nHost: a\r\n\r\n", 505),
        Case("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),

        Case("version 8", request(["Sec-WebSocket-Version": "8"]), 426),
        Case("version 14", request(["Sec-WebSocket-Version": "14"]), 426),
        Case("no version", request(["Sec-WebSocket-Version": nil]), 426),
        Case("no key", request(["Sec-WebSocket-Key": nil]), 400),
        Case("an empty key", request(["Sec-WebSocket-Key": ""]), 400),
        Case("a short key", request(["Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25j"]), 400),
        Case("a key that is not base64", request(["Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25j!Q=="]), 400),
        Case("a key without padding", request(["Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQaa"]), 400),
        Case("two keys", request(["sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="]), 400),
        Case("two versions", request(["sec-websocket-version": "13"]), 400),
        Case("two hosts", request(["host": "server.example.com"]), 400),
        Case("two origins", request(["Origin": "http://server.example.com", "origin": "http://x"]), 400),
        Case("no host", request(["Host": nil]), 400),
        Case("an empty host", request(["Host": ""]), 400),
        Case("a host with a path", request(["Host": "a/b"]), 400),
        Case("a host with a user", request(["Host": "me@a"]), 400),
        Case("a host with a bad port", request(["Host": "a:65536"]), 400),
        Case("a host with a sign in its port", request(["Host": "a:+80"]), 400),
        Case("a host in Greek", request(["Host": "\u{3B1}.example"]), 400),
        Case("a host with a combining mark at its colon", request(["Host": "a:\u{301}80"]), 400),
        Case("a proxy that drops Connection", request(["Connection": nil]), 400),
        Case("a proxy that drops Upgrade", request(["Upgrade": nil]), 400),
        Case("a proxy that drops both", request(["Connection": nil, "Upgrade": nil]), 400),
        Case("a body", request(["Content-Length": "5"]), 400),
        Case("a chunked body", request(["Transfer-Encoding": "chunked"]), 400),

        Case("GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
        Case("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
        Case("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        Case("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        Case("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        Case("GET /\r\nHost: a\r\n\r\n", 400),
        Case("GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        Case("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        Case("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        Case("GET /# HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        Case("GET /\u{E4} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        Case("G{T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        Case("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        Case("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
        Case("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        Case("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n", 400),
        Case("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        Case("GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", 400),
        Case("GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400),
        Case("GET / HTTP/1.1\r\nHost: a\r\nX: \u{0}\r\n\r\n", 400),
        Case("GET / HTTP/1.1\r\nHost: a\r\nX: \rY: z\r\n\r\n", 400),
        Case("an MQTT client", [0x10, 0x0C, 0, 4, 0x4D, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 0], 400),
        Case("a TLS client", [0x16, 3, 1], 400),
    ]

    @Test("requests and their status", arguments: cases)
    func answers(_ example: Case) {
        #expect(Self.status(Self.read(example.bytes)) == example.status)
    }

    @Test("what is answered is HTTP with the right length, and closes", arguments: cases.filter { $0.status != 101 })
    func responses(_ example: Case) throws {
        let response = String(decoding: Self.read(example.bytes).response(), as: UTF8.self)
        let parts = response.components("\r\n\r\n")
        #expect(parts.count == 2)
        let lines = parts[0].components("\r\n")
        #expect(lines[0].hasPrefix("HTTP/1.1 \(example.status) "))
        #expect(lines.contains("Content-Length: \(parts[1].utf8.count)"))
        #expect(lines.contains { $0.hasPrefix("Connection: ") && $0.hasSuffix("close") })
        #expect(lines.contains("Allow: GET") == (example.status == 405))
        #expect(lines.contains("Sec-WebSocket-Version: 13") == (example.status == 426))
        #expect(parts[1].hasPrefix("<!doctype html>") == (example.status == 200))
    }

    @Test("limits on the head's bytes and lines")
    func limits() {
        let request = Self.request(["X": String(repeating: "x", count: 1000)])
        #expect(Self.status(Self.read(request, limit: request.count)) == 101)
        #expect(Self.status(Self.read(request, limit: request.count - 1)) == 431)
        #expect(Self.status(Self.read(Array(request.prefix(900)), limit: 900)) == 431)
        let plain = "GET / HTTP/1.1\r\nHost: a\r\n"
        let lines = { (count: Int) in Array((plain + String(repeating: "X: y\r\n", count: count) + "\r\n").utf8) }
        #expect(Self.status(Self.read(lines(63))) == 200)
        #expect(Self.status(Self.read(lines(64))) == 431)
    }

    @Test(
        "a request that a proxy has passed on",
        arguments: ["X-Forwarded-For", "x-forwarded-proto", "X-Forwarded-Host", "Forwarded", "X-Real-IP", "Via"])
    func forwarded(_ name: String) {
        let text = String(decoding: Self.request(), as: UTF8.self).components("\r\n\r\n")[0]
        guard case .upgrade(let upgrade) = Self.read(Array("\(text)\r\n\(name): 192.0.2.1\r\n\r\n".utf8)) else {
            Issue.record("no upgrade")
            return
        }
        #expect(upgrade.isForwarded)
    }

    @Test("requests with random changes are answered, never fatal")
    func random() {
        let seed: UInt64 = 0x5EED_0005
        var random = SplitMix64(seed: seed)
        let request = Self.request(["Origin": "https://a.example:443", "Sec-WebSocket-Protocol": "mqtt"])
        for _ in 0..<5_000 {
            var bytes = request
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let offset = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0...2, using: &random) {
                case 0: bytes[offset] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.remove(at: offset)
                default: bytes.insert(" \r\n:,\t\0\u{7F}".utf8.randomElement(using: &random)!, at: offset)
                }
            }
            let outcome = Self.read(bytes)
            if case .upgrade(let upgrade) = outcome {
                #expect(upgrade.consumed <= bytes.count, "seed \(seed)")
            }
            #expect(outcome.response().isEmpty == (outcome == .incomplete), "seed \(seed)")
        }
    }
}

extension String {
    /// The parts between separators.
    fileprivate func components(_ separator: String) -> [String] {
        var parts: [String] = []
        var rest = Array(utf8)[...]
        while let range = rest.firstRange(of: Array(separator.utf8)) {
            parts.append(String(decoding: rest[..<range.lowerBound], as: UTF8.self))
            rest = rest[range.upperBound...]
        }
        return parts + [String(decoding: rest, as: UTF8.self)]
    }
}
