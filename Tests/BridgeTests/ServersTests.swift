import Messages
import Testing

@testable import Bridge

@Suite struct ServersTests {
    static func servers(_ count: Int) -> Servers {
        var settings = BridgeSettings()
        settings.uris = (0..<count).map { "amqp://\($0)" }
        settings.retryLimit = 10_000
        return Servers(settings)
    }

    /// A connection that stands, and at once no more, is no success: the pauses grow.
    @Test func aServerThatLetsUsInAndHangsUp() {
        var servers = Self.servers(1)
        var last: Int32 = 0
        for now in 0..<5 as Range<UInt64> {
            servers.connected(now: now)
            last = servers.failed(now: now)
        }
        #expect(last >= 800)
        servers.connected(now: 10)
        servers.succeeded()
        last = servers.failed(now: 11)
        #expect(last <= 100)
    }

    /// One that lasts has proved itself though nothing has passed.
    @Test func aConnectionThatNobodyUses() {
        var servers = Self.servers(1)
        for _ in 0..<5 { _ = servers.failed(now: 0) }
        servers.connected(now: 100)
        let last = servers.failed(now: 60_000)
        #expect(last <= 100)
    }

    @Test func thePauseIsAfterTheLastOne() {
        var servers = Self.servers(3)
        let waits = (0..<3).map { _ in servers.failed(now: 0) }
        #expect(waits[0] == 0 && waits[1] == 0 && waits[2] > 0)
    }
}
