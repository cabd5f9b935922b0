// A whole router in this process, with sockets in place of listeners.

import Channel
import EventLoop
import Glibc
import Messages
import Testing

@testable import Router

@Suite struct FlowTests {
    @Test(arguments: [(0, 0), (0, 2), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2)])
    func aMessageGoesOverBothItsExchanges(_ published: Int, _ subscribed: Int) throws {
        var bench = try RouterBench()
        bench.connect(0, 1, "publisher")
        bench.connect(1, 2, "subscriber")
        bench.subscribe(1, 2, "a/+", qos: UInt8(subscribed))
        _ = [bench.hear(0), bench.hear(1)]

        bench.publish(0, 1, "a/b", "hello", qos: UInt8(published), identifier: published == 0 ? 0 : 77)
        let qos = min(published, subscribed)
        let delivered = try deliveries(bench.hear(1))
        try #require(delivered.count == 1)
        #expect(delivered[0].topic == "a/b" && delivered[0].payload == "hello")
        let recipient = delivered[0].recipients[0]
        #expect(recipient.slot == 2 && recipient.qos == UInt8(qos))
        #expect((recipient.packetIdentifier != 0) == (qos > 0))
        let answers = bench.answers(0)
        #expect(answers == (published == 0 ? [] : published == 1 ? [Entry(4, 1, 77)] : [Entry(5, 1, 77)]))

        if published == 2 {
            // Sent again it is answered, and not delivered again [MQTT-4.3.3-2].
            bench.publish(0, 1, "a/b", "hello", qos: 2, identifier: 77)
            let repeated = bench.answers(0)
            #expect(repeated == [Entry(5, 1, 77)])
            let none = try deliveries(bench.hear(1))
            #expect(none.isEmpty)
            bench.acknowledge(0, 6, 1, 77)
            let complete = bench.answers(0)
            #expect(complete == [Entry(7, 1, 77)])
        }
        if qos == 2 {
            bench.acknowledge(1, 5, 2, recipient.packetIdentifier)
            let release = bench.answers(1)
            #expect(release == [Entry(6, 2, recipient.packetIdentifier)])
            bench.acknowledge(1, 7, 2, recipient.packetIdentifier)
        } else if qos == 1 {
            bench.acknowledge(1, 4, 2, recipient.packetIdentifier)
        }
        let inFlight = bench.router.sessions.map { $0.outgoing.count + $0.incoming.count }
        #expect(inFlight == [0, 0])
    }

    @Test func aMessageTravelsOnceForAllRecipientsOfAListener() throws {
        var bench = try RouterBench()
        for slot in UInt32(0)..<5 {
            bench.connect(1, slot, "c\(slot)")
            bench.subscribe(1, slot, "t", qos: 0)
        }
        bench.connect(0, 0, "publisher")
        _ = bench.hear(1)
        bench.publish(0, 0, "t", "x")
        let delivered = try deliveries(bench.hear(1))
        #expect(delivered.map { $0.recipients.map(\.slot).sorted() } == [[0, 1, 2, 3, 4]])
    }

    @Test func aNewerConnectionTakesTheIdentifierOver() throws {
        var bench = try RouterBench()
        bench.connect(0, 1, "same", accept: 5, will: "will/of/first")
        bench.connect(0, 2, "watcher")
        bench.subscribe(0, 2, "will/#", qos: 0)
        _ = bench.hear(0)
        bench.connect(1, 1, "same", accept: 6)
        let frames = bench.hear(0)
        #expect(types(frames) == [.dismiss, .deliver])
        #expect(try DismissFrame(decoding: frames[0]) == DismissFrame(slot: 1, generation: 1, reasonCode: 0x8E))
        #expect(try deliveries(frames).map(\.topic) == ["will/of/first"])
        // One that was accepted earlier comes too late.
        _ = bench.hear(1)
        bench.connect(0, 3, "same", accept: 4)
        let refused = bench.hear(0)
        #expect(try ConnackFrame(decoding: try #require(refused.first)).reasonCode == 0x8E)
        let holder = bench.router.sessions.filter { $0.clientIdentifier == Array("same".utf8) }.map(\.acceptNumber)
        #expect(holder == [6])
    }

    @Test(arguments: [true, false])
    func aWillIsPublishedUnlessTheClientSaidGoodbye(_ publishWill: Bool) throws {
        var bench = try RouterBench()
        bench.connect(0, 1, "dying", will: "w")
        bench.connect(1, 1, "watcher")
        bench.subscribe(1, 1, "w", qos: 0)
        _ = bench.hear(1)
        bench.say(
            0,
            DisconnectedFrame(slot: 1, generation: 1, reasonCode: 0, publishWill: publishWill, sessionExpiry: nil)
                .encoded())
        let topics = try deliveries(bench.hear(1)).map(\.topic)
        #expect(topics == (publishWill ? ["w"] : []))
        let count = bench.router.sessionCount
        #expect(count == 1)
    }

    @Test(arguments: [RouterSettings.QueuePolicy.dropOldest, .dropNewest, .disconnect])
    func aFullQueueFollowsItsPolicy(_ policy: RouterSettings.QueuePolicy) throws {
        var settings = RouterSettings()
        settings.queueMessages = 3
        settings.queuePolicy = policy
        settings.packetSize = 1024
        var bench = try RouterBench(settings)
        bench.connect(0, 0, "publisher")
        bench.connect(1, 1, "slow")
        bench.subscribe(1, 1, "t", qos: 0)
        _ = bench.hear(1)
        bench.say(1, CongestionFrame(slot: 1, generation: 1, congested: true).encoded())
        for number in 1...5 { bench.publish(0, 0, "t", "\(number)") }
        let held = bench.hear(1)
        bench.say(1, CongestionFrame(slot: 1, generation: 1, congested: false).encoded())
        let later = try deliveries(bench.hear(1)).map(\.payload)
        switch policy {
        case .dropOldest:
            #expect(held.isEmpty && later == ["3", "4", "5"])
        case .dropNewest:
            #expect(held.isEmpty && later == ["1", "2", "3"])
        case .disconnect:
            #expect(types(held) == [.dismiss] && later.isEmpty)
        }
        let waiting = bench.router.queues.messages.bytes
        #expect(waiting == 0)
    }

    @Test func aMessageLargerThanTheQueueDropsNoOther() throws {
        var settings = RouterSettings()
        settings.queueBytes = 16
        settings.packetSize = 1024
        var bench = try RouterBench(settings)
        bench.connect(0, 0, "publisher")
        bench.connect(1, 1, "slow")
        bench.subscribe(1, 1, "t", qos: 0)
        _ = bench.hear(1)
        bench.say(1, CongestionFrame(slot: 1, generation: 1, congested: true).encoded())
        for payload in ["1", String(repeating: "x", count: 16), "2"] { bench.publish(0, 0, "t", payload) }
        _ = bench.hear(1)
        bench.say(1, CongestionFrame(slot: 1, generation: 1, congested: false).encoded())
        let later = try deliveries(bench.hear(1)).map(\.payload)
        #expect(later == ["1", "2"])
    }

    @Test func noMoreIsInFlightThanTheClientTakes() throws {
        var bench = try RouterBench()
        bench.connect(0, 0, "publisher")
        bench.connect(1, 1, "narrow", receiveMaximum: 2)
        bench.subscribe(1, 1, "t", qos: 1)
        _ = bench.hear(1)
        for number in 1...5 { bench.publish(0, 0, "t", "\(number)", qos: 1, identifier: UInt16(number)) }
        var payloads: [String] = []
        var sizes: [Int] = []
        while payloads.count < 5 {
            let delivered = try deliveries(bench.hear(1))
            try #require(!delivered.isEmpty)
            sizes.append(delivered.count)
            payloads += delivered.map(\.payload)
            for message in delivered { bench.acknowledge(1, 4, 1, message.recipients[0].packetIdentifier) }
        }
        #expect(payloads == ["1", "2", "3", "4", "5"])
        #expect(sizes == [2, 2, 1])
    }

    @Test func aListenerThatConsumesNothingGetsNoMoreThanItsWindow() throws {
        var bench = try RouterBench()
        bench.connect(0, 0, "publisher")
        bench.connect(1, 1, "subscriber")
        bench.subscribe(1, 1, "t", qos: 0)
        let payload = String(repeating: "x", count: 100_000)
        var received = 0
        for _ in 0..<60 {
            bench.publish(0, 0, "t", payload)
            received += try deliveries(bench.hear(1)).count
        }
        let produced = bench.router.links[1].produced
        #expect(produced >= ListenerLink.window && produced < ListenerLink.window + 200_000)
        #expect(received < 60)
        bench.say(1, ConsumedFrame(offset: produced).encoded())
        received += try deliveries(bench.hear(1)).count
        #expect(received == 60)
    }

    @Test func aMalformedFrameCutsItsChannelOnly() throws {
        var bench = try RouterBench()
        bench.connect(0, 0, "other")
        bench.subscribe(0, 0, "w", qos: 0)
        bench.connect(1, 1, "lost", will: "w")
        _ = bench.hear(0)
        bench.say(1, [8, 0, 0, 0, 0xFF, 0, 4, 0])
        let open = bench.router.links.map(\.isOpen)
        #expect(open == [true, false])
        let fault = try bench.report(Fault.self)
        #expect(fault == Fault(worker: 101, what: "unknown frame type"))
        let wills = try deliveries(bench.hear(0)).map(\.topic)
        #expect(wills == ["w"])
        let sessions = bench.router.sessionCount
        #expect(sessions == 1)
    }

    @Test func creditBeyondWhatWasSentIsAFault() throws {
        var bench = try RouterBench()
        bench.say(0, ConsumedFrame(offset: 1 << 40).encoded())
        let fault = try bench.report(Fault.self)
        #expect(fault == Fault(worker: 100, what: "a listener that consumed what was never sent"))
    }
}
