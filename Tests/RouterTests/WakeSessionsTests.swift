// Sessions of clients that are away, which a router loads when somebody needs them, and all of them at last.

import EventLoop
import Messages
import Store
import Testing

@testable import Router

@Suite struct WakeSessionsTests {
    private static let clients = 10

    /// A router whose store has sessions `c0` to `c9`, of clients that are away, each with a subscription to `t/0` to `t/9`.
    private static func bench(_ expiry: UInt32 = 100, _ folder: Folder = Folder()) throws -> RouterBench {
        var former = try RouterBench(folder: folder)
        for number in 0..<UInt32(clients) {
            former.connect(0, number, "c\(number)", expiry: expiry)
            former.subscribe(0, number, "t/\(number)", qos: 1)
        }
        _ = former.hear(0)
        for number in 0..<UInt32(clients) { former.disconnect(0, number) }
        _ = former.hear(0)
        former.end(inOrder: true)
        var bench = try RouterBench(folder: folder)
        bench.connect(1, 0, "publisher")
        _ = bench.hear(1)
        return bench
    }

    private static func asleep(_ bench: borrowing RouterBench) -> Int {
        (0..<UInt32(clients)).count { bench.router.isAsleep($0) }
    }

    private static func wakeAll(_ bench: inout RouterBench) {
        while !bench.router.sleepers.isEmpty { bench.router.wakeSome() }
    }

    @Test(arguments: [100, UInt32.max]) func theyCountAndSleep(expiry: UInt32) throws {
        let bench = try Self.bench(expiry)
        #expect(Self.asleep(bench) == Self.clients)
        #expect(bench.router.sessionCount == Self.clients + 1)
        #expect(bench.router.clients.count == 1)
    }

    @Test func aMessageWakesItsReceiver() throws {
        var bench = try Self.bench()
        bench.publish(1, 0, "t/3", "x", qos: 1, identifier: 1)
        #expect(Self.asleep(bench) == Self.clients - 1)
        bench.pass(milliseconds: Router.lingering)
        let answers = bench.answers(1)
        #expect(answers == [Entry(4, 0, 1)])
        bench.connect(0, 30, "c3", expiry: 100)
        let frames = bench.hear(0)
        #expect(try ConnackFrame(decoding: frames[0]).sessionPresent)
        #expect(try deliveries(frames).map(\.payload) == ["x"])
    }

    @Test func atQoS0NobodyIsWoken() throws {
        var bench = try Self.bench()
        bench.publish(1, 0, "t/3", "x")
        #expect(Self.asleep(bench) == Self.clients)
    }

    @Test func aClientFindsItsSession() throws {
        var bench = try Self.bench()
        bench.connect(0, 30, "c3", expiry: 100)
        let frames = bench.hear(0)
        #expect(try ConnackFrame(decoding: frames[0]).sessionPresent)
        #expect(Self.asleep(bench) == Self.clients - 1)
        bench.publish(1, 0, "t/3", "x", qos: 1, identifier: 1)
        #expect(try deliveries(bench.hear(0)).map(\.payload) == ["x"])
    }

    @Test func whoIsNoLongerThereIsNotWokenAgain() throws {
        var bench = try Self.bench()
        bench.connect(0, 30, "c3")
        let began = bench.hear(0)
        #expect(try !ConnackFrame(decoding: began[0]).sessionPresent)
        bench.disconnect(0, 30)
        Self.wakeAll(&bench)
        #expect(bench.router.sessionCount == Self.clients)
        #expect(bench.router.session(ofClient: Array("c3".utf8)) == nil)
        bench.connect(0, 30, "c3", expiry: 100, generation: 2)
        let frames = bench.hear(0)
        #expect(try !ConnackFrame(decoding: frames[0]).sessionPresent)
    }

    @Test func atLastAllAreThere() throws {
        var bench = try Self.bench()
        bench.publish(1, 0, "t/3", "x", qos: 1, identifier: 1)
        Self.wakeAll(&bench)
        #expect(bench.router.clients.count == Self.clients + 1)
        #expect(bench.router.sessionCount == Self.clients + 1)
        for number in 0..<Self.clients {
            bench.publish(1, 0, "t/\(number)", "y", qos: 1, identifier: UInt16(number + 2))
        }
        bench.pass(milliseconds: Router.lingering)
        #expect(bench.answers(1).count == Self.clients + 1)
        for number in 0..<UInt32(Self.clients) { bench.connect(0, 50 + number, "c\(number)", expiry: 100) }
        #expect(try deliveries(bench.hear(0)).map(\.payload).sorted() == ["x"] + Array(repeating: "y", count: 10))
    }

    @Test func numbersThatNobodyHadAreUsed() throws {
        let folder = Folder()
        var bench = try Self.bench(100, folder)
        for number: UInt32 in [2, 5] { bench.connect(0, 50 + number, "c\(number)") }
        _ = bench.hear(0)
        bench.end(inOrder: true)
        var next = try RouterBench(folder: folder)
        #expect(next.router.sessionCount == Self.clients - 2)
        next.connect(0, 1, "early")
        Self.wakeAll(&next)
        for slot: UInt32 in 2...3 { next.connect(0, slot, "late\(slot)") }
        #expect(next.router.sessions.count == Self.clients + 1)
    }

    @Test func theirTimeRunsOutAllTheSame() throws {
        var bench = try Self.bench()
        bench.pass(seconds: 200)
        Self.wakeAll(&bench)
        _ = bench.router.expire()
        #expect(bench.router.sessionCount == 1)
    }

    /// A clean start whose end of the former session was not on the disk when the router was killed.
    @Test func aConnectionThatGoesOnIsWorthMoreThanAFormerSession() throws {
        let folder = Folder()
        var bench = try Self.bench(100, folder)
        let connect = ConnectFrame(
            slot: 7, generation: 1, acceptNumber: 9, peer: PeerAddress(ipv4: 0x7F00_0001, port: 1), version: 5,
            cleanStart: true, keepAlive: 0, sessionExpiry: 0, receiveMaximum: 10, maximumPacketSize: 0,
            clientIdentifier: Array("c3".utf8), userName: [], will: nil)
        try bench.router.takeUp(
            0,
            ResumeFrame(
                connect: connect, congested: false, outstanding: 0, lastPacketIdentifier: 0, window: [],
                subscriptions: [], note: [], list: []))
        #expect(Self.asleep(bench) == Self.clients)
        Self.wakeAll(&bench)
        let found = bench.router.session(ofClient: Array("c3".utf8))
        let number = try #require(found)
        #expect(bench.router.sessions[Int(number)].slot == 7)
        #expect(bench.router.sessionCount == Self.clients + 1)
        #expect(bench.router.tree.count == Self.clients - 1)
        bench.end(inOrder: true)
        let next = try RouterBench(folder: folder)
        #expect(next.router.sessionCount == Self.clients - 1)
    }
}
