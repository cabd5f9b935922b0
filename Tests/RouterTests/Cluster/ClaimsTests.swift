import EventLoop
import MQTT
import Messages
import Testing

@testable import Router

/// A client identifier has one connection in all brokers of a cluster.
@Suite struct ClaimsTests {
    /// What the bridge is given that the router says to other brokers, but for the bench's own client.
    static func said(_ bench: inout RouterBench) throws -> [Claim] {
        try Talk.said(&bench, Claim.topic).flatMap { bytes in
            let claims = Claim.all(in: bytes.span.raw)
            return try #require(claims)
        }.filter { $0.clientIdentifier != Array("publisher".utf8) }.sorted { $0.acceptNumber < $1.acceptNumber }
    }

    static func heard(
        _ number: UInt64, _ client: String, at acceptNumber: UInt64, isClean: Bool = false
    ) throws -> [UInt8] {
        var payload = [Claim.version]
        Claim(acceptNumber: acceptNumber, isClean: isClean, clientIdentifier: Array(client.utf8)).append(to: &payload)
        return try OnceTests.frame(number, payload, topic: "$apus/claim", identifier: UInt16(number))
    }

    static func reasons(_ bench: inout RouterBench) throws -> [UInt8] {
        try bench.hear(0).filter { $0[4] == FrameType.dismiss.rawValue }.map {
            try DismissFrame(decoding: $0).reasonCode
        }
    }

    @Test func everyConnectIsTold() throws {
        var bench = try OnceTests.joined()
        bench.connect(0, 2, "first", accept: 7)
        bench.connect(0, 3, "durable", accept: 8, expiry: 100)
        bench.connect(0, 4, "", accept: 9)
        let said = try Self.said(&bench)
        #expect(
            said == [
                Claim(acceptNumber: 7, isClean: true, clientIdentifier: Array("first".utf8)),
                Claim(acceptNumber: 8, clientIdentifier: Array("durable".utf8)),
            ])
        bench.kill()
    }

    @Test func outsideAClusterNothingIsTold() throws {
        var bench = try BridgeSessionTests.bench()
        bench.connect(0, 2, "first", accept: 7)
        bench.settle()
        let waiting = bench.router.sessions[bench.router.bridge].queue.waiting
        #expect(waiting == 0)
        bench.kill()
    }

    @Test func theLaterOneHolds() throws {
        var bench = try OnceTests.joined()
        bench.connect(0, 2, "one", accept: 10)
        bench.connect(0, 3, "two", accept: 10)
        _ = try Self.said(&bench)
        _ = bench.hear(0)
        bench.say(1, try Self.heard(1, "one", at: 11))
        bench.say(1, try Self.heard(2, "two", at: 9))
        bench.say(1, try Self.heard(3, "nobody", at: 9))
        let reasons = try Self.reasons(&bench)
        #expect(reasons == [ReasonCode.sessionTakenOver.rawValue])
        // The other broker hears of the one that is later than what it knows.
        let said = try Self.said(&bench)
        #expect(said == [Claim(acceptNumber: 10, clientIdentifier: Array("two".utf8))])
        bench.kill()
    }

    /// A session that sleeps, also in a router that has only read of it, ends with a later clean start elsewhere, and with no
    /// other claim.
    @Test(arguments: [(11, true, true), (11, false, false), (9, true, false)])
    func aCleanStartElsewhere(_ acceptNumber: UInt64, _ isClean: Bool, _ ends: Bool) throws {
        let folder = Folder()
        var bench = try OnceTests.joined(folder)
        bench.connect(0, 2, "durable", accept: 10, expiry: 1000)
        bench.settle()
        bench.disconnect(0, 2)
        bench.settle()
        bench.kill()
        var next = try OnceTests.joined(folder)
        next.say(1, try Self.heard(1, "durable", at: acceptNumber, isClean: isClean))
        next.settle()
        let isThere = next.router.session(ofClient: Array("durable".utf8)) != nil
        #expect(isThere != ends)
        next.kill()
    }

    @Test func theBridgesOwnNameIsNobodysToClaim() throws {
        var bench = try OnceTests.joined()
        let connected = bench.router.connectionCount
        bench.say(1, try Self.heard(1, "$bridge/rabbitmq", at: .max))
        let answers = bench.answers(1)
        #expect(answers.count == 1)
        let still = bench.router.connectionCount
        #expect(still == connected)
        bench.kill()
    }

    /// What is not understood is refused and counted, as a client's is.
    @Test(
        arguments: [
            ("$apus/claim", [1, 2, 3]), ("$apus/claim", []), ("$apus/claim", [1] + Array(repeating: 0, count: 11)),
            ("$apus/claim", [2] + Array(repeating: 0, count: 8) + [0, 1, 0, 65]), ("$apus/retained", [9]),
            ("$apus/retained", [1, 0]), ("$apus/sync", [1, 1, 0]), ("$apus/else", [1]), ("$SYS/broker/version", [1]),
        ] as [(String, [UInt8])]) func whatIsNotUnderstoodIsRefused(_ topic: String, _ payload: [UInt8]) throws
    {
        var bench = try OnceTests.joined()
        bench.say(1, try OnceTests.frame(1, payload, topic: topic))
        let refusals = bench.hear(1).filter { $0[4] == FrameType.refusal.rawValue }.count
        #expect(refusals == 1)
        let denied = bench.router.counters[RouterCounter.publishesDenied.rawValue]
        #expect(denied == 1)
        bench.kill()
    }

    /// Another bridge, or router: what the one before was told may not have arrived.
    @Test func whoBeginsTellsOfEverybody() throws {
        var bench = try OnceTests.joined()
        for slot in 2..<600 { bench.connect(0, UInt32(slot), "client \(slot)", accept: UInt64(slot)) }
        _ = try Self.said(&bench)
        bench.router.beginTalk()
        let said = try Self.said(&bench)
        #expect(said.map(\.acceptNumber) == Array(2..<600))
        bench.kill()
    }

    /// What could not be stored is not said, and not forgotten either.
    @Test func aFullStoreKeepsThemWaiting() throws {
        var bench = try OnceTests.joined()
        _ = try Self.said(&bench)
        bench.router.isStoreFull = true
        bench.connect(0, 2, "client", accept: 7)
        let canTalk = bench.router.canTalk
        #expect(!canTalk)
        let waiting = bench.router.claims.waiting.count
        #expect(waiting == 1)
        bench.router.isStoreFull = false
        let said = try Self.said(&bench)
        #expect(said.map(\.acceptNumber) == [7])
        bench.kill()
    }

    /// RabbitMQ is away: one word a client waits, the last, and with the clean start of any.
    @Test func whatWaitsIsOneWordAClient() throws {
        var bench = try OnceTests.joined()
        OnceTests.say(&bench, CongestionFrame(slot: 1, generation: 1, congested: true))
        bench.connect(0, 2, "mover", accept: 7)
        bench.disconnect(0, 2)
        bench.connect(0, 3, "mover", accept: 9, expiry: 10)
        let waiting = bench.router.sessions[bench.router.bridge].queue.waiting
        #expect(waiting == 0)
        OnceTests.say(&bench, CongestionFrame(slot: 1, generation: 1, congested: false))
        let said = try Self.said(&bench)
        #expect(said == [Claim(acceptNumber: 9, isClean: true, clientIdentifier: Array("mover".utf8))])
        bench.kill()
    }

    /// No client may speak as a broker; topics that only look like it are anybody's.
    @Test(arguments: [
        ("$apus/claim", true), ("$apus/", true), ("$SYS/x", true), ("$apus", false), ("$apusx/claim", false),
        ("$SYS", false),
        ("$other/x", false), ("x/$apus/claim", false),
    ]) func theTopicsOfTheBroker(_ topic: String, _ isRefused: Bool) throws {
        var bench = try OnceTests.joined()
        bench.publish(0, 0, topic, "x", qos: 1, identifier: 1)
        let refusals = bench.hear(0).filter { $0[4] == FrameType.refusal.rawValue }.count
        #expect((refusals == 1) == isRefused)
        bench.kill()
    }
}
