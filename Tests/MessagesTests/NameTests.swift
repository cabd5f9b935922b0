// Addresses as people read them, and the names of counters.

import Testing

@testable import Messages

@Suite struct NameTests {
    @Test(arguments: [
        (PeerAddress(ipv4: 0xC000_0201, port: 50_000), "192.0.2.1:50000", false),
        (PeerAddress(ipv4: 0x7F00_0001, port: 1), "127.0.0.1:1", true),
        (PeerAddress(ipv4: 0x7FFF_FFFE, port: 65_535), "127.255.255.254:65535", true),
        (PeerAddress(ipv4: 0x8000_0001, port: 0), "128.0.0.1:0", false),
        (PeerAddress(ipv4: 0, port: 0), "0.0.0.0:0", false),
        (PeerAddress(high: 0, low: 1, port: 1883), "[0:0:0:0:0:0:0:1]:1883", true),
        (PeerAddress(high: 0, low: 2, port: 1883), "[0:0:0:0:0:0:0:2]:1883", false),
        (PeerAddress(high: 0x2001_0DB8 << 32, low: 1, port: 50_000), "[2001:db8:0:0:0:0:0:1]:50000", false),
        // Only the mapped form counts as IPv4.
        (PeerAddress(high: 1, low: 0xFFFF_7F00_0001, port: 1), "[0:0:0:1:0:ffff:7f00:1]:1", false),
    ])
    func anAddressIsShownAndJudged(_ address: PeerAddress, _ text: String, _ isLoopback: Bool) {
        #expect(address.description == text)
        #expect(address.isLoopback == isLoopback)
    }

    @Test func anAddressTakesAsManyBytesAsItSays() {
        var writer = FrameWriter(.ping)
        PeerAddress(ipv4: 1, port: 2).write(to: &writer)
        #expect(writer.bytes.count == FrameHead.byteCount + PeerAddress.byteCount)
    }

    @Test func countersHaveNamesOfTheirOwn() {
        let names = ListenerCounter.allCases.map(\.name) + RouterCounter.allCases.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { $0.allSatisfy { $0 == "_" || ("a"..."z").contains($0) } })
        #expect(ListenerCounter.messagesDropped.name == "listener_messages_dropped")
        #expect(RouterCounter.sessions.name == "router_sessions")
        #expect(RouterCounter.takeOvers.name == "router_take_overs")
    }

    @Test func countersAreNumberedInOrder() {
        #expect(ListenerCounter.allCases.map(\.rawValue) == Array(0..<ListenerCounter.allCases.count))
        #expect(RouterCounter.allCases.map(\.rawValue) == Array(0..<RouterCounter.allCases.count))
    }
}
