import Testing

@testable import WebSocket

@Suite("Origin and Host")
struct HandshakePolicyTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let origins: [String]
        var hosts: [String] = []
        var loopback = false
        let origin: String
        let host: String
        let allowed: Bool

        var testDescription: String {
            "\(origins) \(hosts) \(loopback ? "loopback " : "")\(origin) → \(host): \(allowed)"
        }

        init(
            _ origins: [String], hosts: [String] = [], loopback: Bool = false, _ origin: String, _ host: String,
            _ allowed: Bool
        ) {
            self.origins = origins
            self.hosts = hosts
            self.loopback = loopback
            self.origin = origin
            self.host = host
            self.allowed = allowed
        }
    }

    static let cases = [
        Case(["same"], "http://broker.example", "broker.example", true),
        Case(["same"], "https://broker.example", "broker.example:2884", true),
        Case(["same"], "http://broker.example:8080", "broker.example:2884", true),
        Case(["same"], "http://BROKER.example", "broker.Example.", true),
        Case(["same"], "http://[fe80::1]:80", "[FE80::1]:2884", true),
        Case(["same"], "http://192.0.2.1", "192.0.2.1:2884", true),
        Case(["same"], "http://evil.example", "broker.example", false),
        Case(["same"], "http://broker.example.evil.example", "broker.example", false),
        Case(["same"], "http://sub.broker.example", "broker.example", false),
        Case(["same"], "null", "broker.example", false),
        Case(["same"], "", "broker.example", false),
        Case(["same"], "broker.example", "broker.example", false),
        Case(["same"], "http://broker.example http://evil.example", "broker.example", false),
        Case(["same"], "http://me@broker.example", "broker.example", false),

        // Names given: the same holds for them only.
        Case(["same"], hosts: ["broker.example"], "http://broker.example", "broker.example:2884", true),
        Case(["same"], hosts: ["broker.example"], "http://rebound.example", "rebound.example:2884", false),

        // A loopback listener: no name that a page could have pointed at 127.0.0.1.
        Case(["same"], loopback: true, "http://localhost:3000", "localhost:2884", true),
        Case(["same"], loopback: true, "http://app.localhost", "app.localhost:2884", true),
        Case(["same"], loopback: true, "http://127.0.0.1:3000", "127.0.0.1:2884", true),
        Case(["same"], loopback: true, "http://127.1.2.3", "127.1.2.3:2884", true),
        Case(["same"], loopback: true, "http://[::1]:3000", "[::1]:2884", true),
        Case(["same"], loopback: true, "http://rebound.example:2884", "rebound.example:2884", false),
        Case(["same"], loopback: true, "http://127.0.0.1.evil.example", "127.0.0.1.evil.example", false),
        Case(["same"], loopback: true, "http://127.evil.0.1", "127.evil.0.1", false),
        Case(["same"], loopback: true, "http://notlocalhost", "notlocalhost", false),
        Case(["same"], loopback: true, "http://192.0.2.1", "192.0.2.1:2884", false),
        Case(["same"], loopback: true, "http://evil.example", "localhost:2884", false),
        Case(["same"], hosts: ["mq.example"], loopback: true, "https://mq.example", "mq.example", true),
        Case(["same"], hosts: ["mq.example:443"], loopback: true, "https://mq.example", "mq.example", true),
        Case(["same"], hosts: ["mq.example"], loopback: true, "http://localhost", "localhost:2884", true),
        Case(["same"], hosts: ["mq.example"], loopback: true, "https://rebound.example", "rebound.example", false),

        // A list: the whole origin counts, the host does not.
        Case(["https://app.example"], "https://app.example", "broker.example", true),
        Case(["https://app.example"], "https://app.example:443", "broker.example", true),
        Case(["https://app.example:443"], "https://APP.example", "broker.example", true),
        Case(["http://app.example:80"], "http://app.example", "broker.example", true),
        Case(["https://app.example"], "http://app.example", "broker.example", false),
        Case(["https://app.example"], "https://app.example:8443", "broker.example", false),
        Case(["https://app.example"], "https://broker.example", "broker.example", false),
        Case(["https://app.example"], loopback: true, "https://app.example", "rebound.example", true),
        Case(["same", "https://app.example"], "https://app.example", "broker.example", true),
        Case(["same", "https://app.example"], "https://broker.example", "broker.example", true),
        Case(["null"], "null", "broker.example", true),
        Case([], "http://broker.example", "broker.example", false),
        Case(["*"], "https://anything.example", "broker.example", true),
        Case(["*"], loopback: true, "null", "rebound.example", true),
    ]

    @Test("who may connect from where", arguments: cases)
    func allows(_ example: Case) throws {
        let policy = HandshakePolicy(origins: example.origins, hosts: example.hosts, isLoopback: example.loopback)
        let host = try #require(Authority(example.host))
        #expect(policy.allows(origin: example.origin, host: host) == example.allowed)
        // The same through a whole request.
        let request = HandshakeTests.request(["Host": example.host, "Origin": example.origin])
        #expect(HandshakeTests.status(HandshakeTests.read(request, policy)) == (example.allowed ? 101 : 403))
    }

    @Test("programs that are not browsers send no origin and pass")
    func noOrigin() {
        let policy = HandshakePolicy(origins: [], isLoopback: true)
        #expect(HandshakeTests.status(HandshakeTests.read(HandshakeTests.request(), policy)) == 101)
    }
}
