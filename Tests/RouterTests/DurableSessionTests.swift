// Sessions that outlive their connections, with a store on disk behind them.

import EventLoop
import Messages
import Store
import Testing

@testable import Router

@Suite struct DurableSessionTests {
    /// A publisher in slot 0 of link 0, a durable subscriber in slot 1 of link 1.
    static func bench(
        _ settings: RouterSettings = RouterSettings(), qos: UInt8 = 1, folder: Folder = Folder()
    ) throws -> RouterBench {
        var bench = try RouterBench(settings, folder: folder)
        bench.connect(0, 0, "publisher")
        bench.connect(1, 1, "durable", expiry: 100)
        bench.subscribe(1, 1, "t", qos: qos)
        _ = [bench.hear(0), bench.hear(1)]
        return bench
    }

    @Test func whatComesWhileTheClientIsAwayWaitsForIt() throws {
        var bench = try Self.bench(qos: 2)
        bench.disconnect(1, 1)
        for number in 1...3 { bench.publish(0, 0, "t", "\(number)", qos: 1, identifier: UInt16(number)) }
        let answers = bench.answers(0)
        #expect(answers == [Entry(4, 0, 1), Entry(4, 0, 2), Entry(4, 0, 3)])
        bench.publish(0, 0, "t", "not promised")
        bench.connect(1, 2, "durable", expiry: 100)
        let frames = bench.hear(1)
        #expect(try ConnackFrame(decoding: frames[0]).sessionPresent)
        let delivered = try deliveries(frames)
        #expect(delivered.map(\.payload) == ["1", "2", "3"])
        #expect(delivered.allSatisfy { $0.recipients.count == 1 && !$0.recipients[0].duplicate })
    }

    @Test func anAcknowledgementFollowsTheReceiversOrTheDisk() throws {
        var bench = try Self.bench()
        bench.publish(0, 0, "t", "x", qos: 1, identifier: 7)
        let delivered = try deliveries(bench.hear(1))
        let identifier = try #require(delivered.first?.recipients.first?.packetIdentifier)
        let seen1 = bench.answers(0)
        #expect(seen1 == [], "nobody has it for sure")
        bench.acknowledge(1, 4, 1, identifier)
        let seen2 = bench.answers(0)
        #expect(seen2 == [Entry(4, 0, 7)], "it can no longer be lost")
        let seen3 = bench.router.log.isEmpty
        #expect(seen3, "and is never written")

        bench.publish(0, 0, "t", "y", qos: 1, identifier: 8)
        let seen4 = bench.answers(0)
        #expect(seen4 == [])
        bench.pass(milliseconds: Router.lingering)
        let seen5 = bench.answers(0)
        #expect(seen5 == [Entry(4, 0, 8)], "the disk has it")
    }

    @Test func acknowledgementsKeepThePublishersOrder() throws {
        var bench = try Self.bench()
        bench.publish(0, 0, "t", "durable", qos: 1, identifier: 1)
        bench.publish(0, 0, "nobody", "clean", qos: 1, identifier: 2)
        let seen6 = bench.answers(0)
        #expect(seen6 == [])
        let delivered = try deliveries(bench.hear(1))
        bench.acknowledge(1, 4, 1, delivered[0].recipients[0].packetIdentifier)
        let seen7 = bench.answers(0)
        #expect(seen7 == [Entry(4, 0, 1), Entry(4, 0, 2)])
    }

    @Test func whatIsInFlightIsSentAgainWithItsIdentifier() throws {
        var bench = try Self.bench()
        for number in 1...3 { bench.publish(0, 0, "t", "\(number)", qos: 1, identifier: UInt16(number)) }
        let first = try deliveries(bench.hear(1)).map(\.recipients[0].packetIdentifier)
        bench.acknowledge(1, 4, 1, first[1])
        bench.disconnect(1, 1)
        _ = bench.hear(1)
        bench.connect(1, 2, "durable", expiry: 100)
        let again = try deliveries(bench.hear(1))
        #expect(again.map(\.payload) == ["1", "3"])
        #expect(again.map(\.recipients[0].packetIdentifier) == [first[0], first[2]])
        #expect(again.allSatisfy { $0.recipients[0].duplicate })
    }

    @Test func aQoS2ExchangeGoesOnWhereItStood() throws {
        var bench = try Self.bench(qos: 2)
        for number in 1...2 { bench.publish(0, 0, "t", "\(number)", qos: 2, identifier: UInt16(number)) }
        let first = try deliveries(bench.hear(1)).map(\.recipients[0].packetIdentifier)
        #expect(first.count == 2)
        bench.acknowledge(1, 5, 1, first[0])
        let seen8 = bench.answers(1)
        #expect(seen8 == [Entry(6, 1, first[0])])
        bench.disconnect(1, 1)
        _ = bench.hear(1)
        bench.connect(1, 2, "durable", expiry: 100)
        bench.settle()
        let (frames, answers) = bench.hearAll(1)
        #expect(answers == [Entry(6, 2, first[0])])
        let again = try deliveries(frames)
        #expect(again.map(\.payload) == ["2"])
        #expect(again.map(\.recipients[0].packetIdentifier) == [first[1]])
        bench.acknowledge(1, 7, 2, first[0])
        bench.acknowledge(1, 5, 2, first[1])
        bench.acknowledge(1, 7, 2, first[1])
        bench.settle()
        let inFlight = bench.router.sessions.map(\.outgoing.count)
        #expect(inFlight == [0, 0])
        let seen9 = bench.router.queues.count
        #expect(seen9 == 0)
    }

    /// PUBREL lets the client forget the identifier: it would take the message for another one, should the store not know of
    /// the receipt and the message be sent again.
    @Test(arguments: [true, false])
    func aReceiptIsOnDiskBeforeItsReleaseGoesOut(_ comesBack: Bool) throws {
        var bench = try Self.bench(qos: 2)
        bench.publish(0, 0, "t", "x", qos: 2, identifier: 1)
        let identifier = try #require(try deliveries(bench.hear(1)).first?.recipients.first?.packetIdentifier)
        bench.acknowledge(1, 5, 1, identifier)
        var slot: UInt32 = 1
        if comesBack {
            bench.disconnect(1, 1)
            bench.connect(1, 2, "durable", accept: 2, expiry: 100)
            slot = 2
        } else {
            // The client repeats itself.
            bench.acknowledge(1, 5, 1, identifier)
        }
        bench.router.flush(1)
        let early = entries(try batches(bench.take(1)).flatMap(\.frames))
        #expect(early.isEmpty)
        let answers = bench.answers(1)
        #expect(answers == [Entry(6, 1, identifier), Entry(6, slot, identifier)])
    }

    /// The message may be in the store before its identifier is: else a router that dies takes the identifier for another's.
    @Test func anIdentifierIsOnDiskBeforeItIsUsed() throws {
        var bench = try RouterBench()
        bench.connect(0, 0, "publisher")
        bench.connect(1, 1, "durable", receiveMaximum: 1, expiry: 100)
        bench.subscribe(1, 1, "t", qos: 2)
        _ = [bench.hear(0), bench.hear(1)]
        bench.publish(0, 0, "t", "1", qos: 2, identifier: 1)
        let first = try #require(try deliveries(bench.hear(1)).first?.recipients.first?.packetIdentifier)
        bench.acknowledge(1, 5, 1, first)
        let release = bench.answers(1)
        #expect(release == [Entry(6, 1, first)])
        // The second waits for the window, and is handed to the store meanwhile.
        bench.publish(0, 0, "t", "2", qos: 2, identifier: 2)
        bench.router.milliseconds += 100
        bench.router.commitTurn()
        let (submitted, committed) = (bench.router.commits.submitted, bench.router.commits.committed)
        try #require(submitted == committed + 1)
        bench.acknowledge(1, 7, 1, first)
        bench.router.flush(1)
        while bench.router.commits.committed < submitted {
            bench.awaitStore(milliseconds: 5000)
            bench.router.handleStore()
        }
        bench.router.flush(1)
        let early = try deliveries(batches(bench.take(1)).flatMap(\.frames))
        #expect(early.isEmpty)
        let second = try deliveries(bench.hear(1))
        #expect(second.map(\.payload) == ["2"])
    }

    @Test func aLongQueueLiesInTheStoreAndComesInOrder() throws {
        var bench = try Self.bench()
        let count = 3000
        bench.disconnect(1, 1)
        for number in 0..<count { bench.publish(0, 0, "t", "\(number)", qos: 1, identifier: UInt16(number + 1)) }
        let answers = bench.answers(0)
        #expect(answers.count == count)
        let inMemory = bench.router.queues.count
        #expect(inMemory == 0)
        bench.connect(1, 2, "durable", receiveMaximum: 50, expiry: 100)
        var received: [String] = []
        var rounds = 0
        while received.count < count, rounds < count {
            rounds += 1
            for delivery in try deliveries(bench.hear(1)) {
                received.append(delivery.payload)
                bench.acknowledge(1, 4, 2, delivery.recipients[0].packetIdentifier)
            }
            let seen10 = bench.router.queues.count
            #expect(seen10 <= Int(Router.memoryMessages) * 2)
        }
        #expect(received == (0..<count).map(String.init))
    }

    @Test(arguments: [true, false])
    func aRestartLosesNothing(_ inOrder: Bool) throws {
        let folder = Folder()
        do {
            var bench = try Self.bench(qos: 2, folder: folder)
            bench.publish(0, 0, "t", "in flight", qos: 1, identifier: 1)
            bench.publish(0, 0, "t", "exactly once", qos: 2, identifier: 2)
            bench.pass(milliseconds: Router.lingering)
            _ = try deliveries(bench.hear(1))
            bench.disconnect(1, 1)
            bench.publish(0, 0, "t", "waiting", qos: 1, identifier: 3)
            let answers = bench.answers(0)
            #expect(answers.map(\.identifier) == [1, 2, 3])
            bench.end(inOrder: inOrder)
        }
        var bench = try RouterBench(folder: folder)
        bench.connect(1, 2, "durable", expiry: 100)
        let frames = bench.hear(1)
        #expect(try ConnackFrame(decoding: frames[0]).sessionPresent)
        let delivered = try deliveries(frames)
        #expect(delivered.map(\.payload) == ["in flight", "exactly once", "waiting"])
        #expect(delivered.map(\.recipients[0].qos) == [1, 2, 1])
        #expect(delivered.map(\.recipients[0].duplicate) == [true, true, false])
        bench.connect(0, 0, "publisher")
        bench.publish(0, 0, "t", "later", qos: 1, identifier: 1)
        let later = try deliveries(bench.hear(1))
        #expect(later.map(\.payload) == ["later"])
        bench.end(inOrder: true)
    }

    @Test func aCleanStartForgetsTheSession() throws {
        var bench = try Self.bench()
        bench.disconnect(1, 1)
        bench.publish(0, 0, "t", "x", qos: 1, identifier: 1)
        _ = bench.answers(0)
        bench.connect(1, 2, "durable", cleanStart: true)
        let frames = bench.hear(1)
        #expect(try !ConnackFrame(decoding: frames[0]).sessionPresent)
        #expect(types(frames) == [.connack])
        bench.publish(0, 0, "t", "x", qos: 1, identifier: 2)
        let seen11 = try deliveries(bench.hear(1)).isEmpty
        #expect(seen11)
    }

    @Test func aSessionEndsWhenItsClientStaysAway() throws {
        var bench = try Self.bench()
        bench.connect(1, 3, "watcher")
        bench.subscribe(1, 3, "will", qos: 0)
        bench.connect(1, 2, "dying", will: "will", willDelay: 500, expiry: 10)
        bench.disconnect(1, 2)
        _ = bench.hear(1)
        bench.pass(seconds: 10)
        _ = bench.router.expire()
        let seen12 = bench.router.sessionCount
        #expect(seen12 == 4)
        bench.pass(seconds: 1)
        _ = bench.router.expire()
        let seen13 = bench.router.sessionCount
        #expect(seen13 == 3)
        let seen14 = try deliveries(bench.hear(1)).map(\.topic)
        #expect(seen14 == ["will"], "the session's end ends the delay")
        bench.connect(1, 2, "dying", expiry: 10, generation: 2)
        let seen15 = try ConnackFrame(decoding: bench.hear(1)[0]).sessionPresent
        #expect(!seen15)
    }

    @Test(arguments: [true, false])
    func aDelayedWillWaitsForTheClient(_ returns: Bool) throws {
        var bench = try Self.bench()
        bench.connect(1, 3, "watcher")
        bench.subscribe(1, 3, "will", qos: 0)
        bench.connect(1, 2, "dying", will: "will", willDelay: 5, expiry: 100)
        bench.disconnect(1, 2)
        let seen16 = try deliveries(bench.hear(1)).isEmpty
        #expect(seen16)
        bench.pass(seconds: 4)
        _ = bench.router.expire()
        if returns { bench.connect(1, 2, "dying", expiry: 100, generation: 2) }
        bench.pass(seconds: 2)
        _ = bench.router.expire()
        let seen17 = try deliveries(bench.hear(1)).map(\.topic)
        #expect(seen17 == (returns ? [] : ["will"]))
    }

    @Test(arguments: [RouterSettings.QueuePolicy.dropOldest, .dropNewest])
    func theQueueOfAnAbsentClientHasItsLimits(_ policy: RouterSettings.QueuePolicy) throws {
        var settings = RouterSettings()
        settings.queueMessages = 10
        settings.queuePolicy = policy
        var bench = try Self.bench(settings)
        bench.disconnect(1, 1)
        for number in 1...25 { bench.publish(0, 0, "t", "\(number)", qos: 1, identifier: UInt16(number)) }
        let seen18 = bench.answers(0).count
        #expect(seen18 == 25)
        bench.connect(1, 2, "durable", expiry: 100)
        let payloads = try deliveries(bench.hear(1)).map(\.payload)
        #expect(payloads == (policy == .dropOldest ? 16...25 : 1...10).map(String.init))
    }
}

@Suite struct SharedDeliveryTests {
    /// Members in slots 1, 2 … of link 1 of the group `$share/g/t`, a publisher in slot 0 of link 0.
    private func bench(_ members: Int, expiry: UInt32 = 0, qos: UInt8 = 1) throws -> RouterBench {
        var bench = try RouterBench()
        bench.connect(0, 0, "publisher")
        for member in 1...members {
            bench.connect(1, UInt32(member), "member \(member)", expiry: expiry)
            bench.subscribe(1, UInt32(member), "$share/g/t", qos: qos)
        }
        _ = [bench.hear(0), bench.hear(1)]
        return bench
    }

    @Test func messagesGoRoundAmongThoseThatCanTakeThem() throws {
        var bench = try bench(3)
        bench.say(1, CongestionFrame(slot: 2, generation: 1, congested: true).encoded())
        for number in 1...10 { bench.publish(0, 0, "t", "\(number)", qos: 1, identifier: UInt16(number)) }
        let slots = try deliveries(bench.hear(1)).map(\.recipients[0].slot)
        #expect(slots.count == 10 && Set(slots) == [1, 3])
        #expect(slots.filter { $0 == 1 }.count == 5)
    }

    @Test(arguments: [0, 100] as [UInt32])
    func whatAMemberDoesNotAcknowledgeGoesToAnother(_ expiry: UInt32) throws {
        var bench = try bench(2, expiry: expiry)
        for number in 1...4 { bench.publish(0, 0, "t", "\(number)", qos: 1, identifier: UInt16(number)) }
        let first = try deliveries(bench.hear(1))
        let lost = first.filter { $0.recipients[0].slot == 1 }.map(\.payload)
        #expect(lost.count == 2)
        bench.disconnect(1, 1)
        let again = try deliveries(bench.hear(1))
        #expect(again.map(\.payload) == lost)
        #expect(again.map(\.recipients[0].slot) == [2, 2])
        // The publisher of a message that durable members hold is answered when the second has acknowledged it.
        let before = bench.answers(0)
        for delivery in first where delivery.recipients[0].slot == 2 {
            bench.acknowledge(1, 4, 2, delivery.recipients[0].packetIdentifier)
        }
        for delivery in again { bench.acknowledge(1, 4, 2, delivery.recipients[0].packetIdentifier) }
        let answers = before + bench.answers(0)
        #expect(answers.map(\.identifier) == [1, 2, 3, 4])
        let kept = bench.router.queues.count
        #expect(kept == 0)
    }
}
