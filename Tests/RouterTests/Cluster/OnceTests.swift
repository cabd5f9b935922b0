import EventLoop
import MQTT
import Messages
import Testing

@testable import Router

/// Messages of a cluster: those for the bridge have a number that is on disk, those of other brokers have their effect once.
@Suite struct OnceTests {
    static func joined(_ folder: Folder = Folder(), hears: Bool = true) throws -> RouterBench {
        var settings = BridgeSessionTests.settings(["#"])
        settings.bridge?.isCluster = true
        var bench = try BridgeSessionTests.bench(settings, folder: folder)
        bench.router.links[1].role = .bridge
        bench.connect(1, 1, "$bridge/rabbitmq", expiry: .max)
        say(&bench, CongestionFrame(slot: 1, generation: 1, congested: false))
        if hears { _ = bench.hear(1) }
        return bench
    }

    static func say(_ bench: inout RouterBench, _ frame: CongestionFrame) { bench.say(1, frame.encoded()) }

    /// As the bridge says it.
    static func frame(
        _ number: UInt64, _ payload: [UInt8], topic: String = "t", qos: UInt8 = 1, identifier: UInt16 = 1
    ) throws -> [UInt8] {
        let origin = try #require(MessageOrigin(MessageIdentity(number: number, qos: qos), node: Array("other".utf8)))
        var frame = [UInt8](repeating: 0, count: PublishFrame.headByteCount)
        var elements = frame.mutableSpan
        // Any bits make a byte.
        var span = unsafe elements.mutableBytes
        PublishFrame.writeHead(
            to: &span, slot: 1, generation: 1, packetIdentifier: identifier, flags: 2 | PublishFrame.origin,
            topicLength: topic.utf8.count, payloadLength: payload.count, propertiesLength: origin.byteCount)
        return frame + Array(topic.utf8) + payload + origin.encoded
    }

    static func frame(
        _ number: UInt64, _ payload: String, qos: UInt8 = 1, identifier: UInt16 = 1
    ) throws -> [UInt8] {
        try frame(number, Array(payload.utf8), qos: qos, identifier: identifier)
    }

    @Test func eachHasItsEffectOnce() throws {
        var bench = try Self.joined()
        bench.subscribe(0, 0, "t", qos: 2)
        _ = bench.hear(0)
        bench.say(1, try Self.frame(1, "one", qos: 2))
        bench.say(1, try Self.frame(1, "one", qos: 2, identifier: 2))
        bench.say(1, try Self.frame(2, "two", qos: 0, identifier: 3))
        let heard = try deliveries(bench.hear(0))
        #expect(heard.map(\.payload) == ["one", "two"])
        #expect(heard.map { $0.recipients.map(\.qos) } == [[2], [0]])
        // All are answered, the repeated one as well.
        let answers = bench.answers(1)
        #expect(answers == [Entry(4, 1, 1), Entry(4, 1, 2), Entry(4, 1, 3)])
        let repeated = bench.router.counters[RouterCounter.messagesRepeated.rawValue]
        #expect(repeated == 1)
        bench.kill()
    }

    @Test func theNextRouterKnowsThem() throws {
        let folder = Folder()
        var bench = try Self.joined(folder)
        bench.say(1, try Self.frame(1, "one"))
        // It is answered when that is on disk.
        let answers = bench.answers(1)
        #expect(answers == [Entry(4, 1, 1)])
        bench.kill()
        var next = try Self.joined(folder)
        next.subscribe(0, 0, "t", qos: 1)
        _ = next.hear(0)
        next.say(1, try Self.frame(1, "one", identifier: 5))
        next.say(1, try Self.frame(2, "two", identifier: 6))
        let heard = try deliveries(next.hear(0)).map(\.payload)
        #expect(heard == ["two"])
        next.kill()
    }

    /// Nobody but the bridge may say so.
    @Test func fromAListenerItIsAFault() throws {
        var bench = try Self.joined()
        bench.router.links[1].role = .listener
        bench.say(1, try Self.frame(1, "one"))
        let isOpen = bench.router.links[1].isOpen
        #expect(!isOpen)
        bench.kill()
    }

    @Test func whatGoesToTheBridgeHasANumberThatStays() throws {
        let folder = Folder()
        var bench = try Self.joined(folder)
        bench.publish(0, 0, "t", "x", qos: 2, identifier: 1)
        // Not before it is on disk.
        bench.router.flush(1)
        let early = bench.take(1)
        #expect(try deliveries(batches(early).flatMap(\.frames)).isEmpty)
        let first = try Self.identities(bench.hear(1))
        #expect(first.count == 1 && first[0].qos == 2)
        bench.kill()
        var next = try Self.joined(folder, hears: false)
        let again = try Self.identities(next.hear(1))
        #expect(again == first)
        next.publish(0, 0, "t", "y", qos: 1, identifier: 2)
        let second = try Self.identities(next.hear(1))
        #expect(second.count == 1 && second != first && second[0].qos == 1)
        next.kill()
    }

    /// Those of the Deliver frames, but for what the router itself says to other brokers.
    static func identities(_ frames: [[UInt8]]) throws -> [MessageIdentity] {
        try frames.filter { $0[4] == FrameType.deliver.rawValue }.compactMap { bytes in
            let frame = try DeliverFrame(bytes.span.raw, at: 0, try #require(try FrameHead.read(bytes.span.raw, at: 0)))
            guard bytes[DeliverFrame.headByteCount] != UInt8(ascii: "$") else { return nil }
            let end = DeliverFrame.headByteCount + frame.messageLength
            let all = Array(bytes[(end - frame.propertiesLength)..<end])
            let properties = try Properties(decoding: all.span, 0..<all.count, of: .publish, from: .server)
            let last = try #require(properties.userProperties.last)
            #expect(last.name == "x-apus-id")
            return MessageIdentity(text: Array(last.value.utf8))
        }
    }
}
