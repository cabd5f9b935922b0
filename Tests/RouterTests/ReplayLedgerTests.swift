// A frame that ends one router after the other is found, and left out.

import Messages
import Testing

@testable import Router

@Suite struct ReplayLedgerTests {
    @Test func aFrameMayEndTwoRoutersThatHandleItAnew() {
        let folder = Folder()
        let path = folder.path + "/ledger"
        var answers: [Bool] = []
        for _ in 0..<4 {
            let ledger = ReplayLedger(path)
            for offset: UInt64 in [10, 20, 30] { answers.append(ledger.begin(7, offset)) }
        }
        #expect(answers == [true, true, true, true, true, true, true, true, false, true, true, false])
    }

    @Test func onlyTheFrameThatWasUnderWayCounts() {
        let folder = Folder()
        let path = folder.path + "/ledger"
        for _ in 0..<4 {
            let ledger = ReplayLedger(path)
            let isHandled = ledger.begin(7, 10)
            #expect(isHandled, "the router ended later")
            _ = ledger.begin(8, 10)
            _ = ledger.begin(7, 20)
            ledger.clear()
        }
        for _ in 0..<3 {
            let other = ReplayLedger(path).begin(8, 20)
            #expect(other)
            _ = ReplayLedger(path).begin(9, 20)
        }
    }

    @Test func withoutAFileEverythingIsHandled() {
        for _ in 0..<5 {
            let isHandled = ReplayLedger("/nowhere/ledger").begin(7, 10)
            #expect(isHandled)
        }
    }

    /// Two clients of one listener, whose frames are all handled anew; the one's message has ended two routers at that.
    @Test(arguments: [false, true]) func itsConnectionIsEnded(isDurable: Bool) throws {
        let folder = Folder()
        var listener = ModelListener(place: 100)
        var bench = try RouterBench(folder: folder, greets: false)
        listener.begin()
        for slot: UInt32 in 0...1 {
            listener.connect(
                ConnectFrame(
                    slot: slot, generation: 1, acceptNumber: UInt64(slot),
                    peer: PeerAddress(ipv4: 0x7F00_0001, port: 1),
                    version: 5, cleanStart: !isDurable, keepAlive: 0, sessionExpiry: isDurable ? 1000 : 0,
                    receiveMaximum: 10, maximumPacketSize: 0, clientIdentifier: Array("c\(slot)".utf8), userName: [],
                    will: nil))
        }
        bench.say(0, listener.unsent)
        bench.settle()
        _ = try listener.hear(bench.take(0))
        bench.kill()

        listener.say(publishFrame(0, "t", "poison", qos: 1, identifier: 1))
        let end = listener.end
        listener.say(publishFrame(1, "t", "harmless", qos: 1, identifier: 2))
        for _ in 0..<2 {
            let isHandled = ReplayLedger("\(folder.path)/router.replay").begin(100, end)
            #expect(isHandled)
        }
        bench = try RouterBench(folder: folder, greets: false)
        listener.begin()
        bench.say(0, listener.unsent)
        bench.say(1, Hello(worker: 101, generation: 1).encoded())
        bench.say(1, ResumeEnd(until: 0).encoded())
        bench.settle()
        let heard = try listener.hear(bench.take(0))
        #expect(heard.contains(.dismissed(slot: 0)))
        #expect(!heard.contains(.dismissed(slot: 1)))
        #expect(heard.contains(.acknowledgement(Entry(4, 1, 2))))
        #expect(!heard.contains(.acknowledgement(Entry(4, 0, 1))))
        #expect(bench.router.counters[RouterCounter.framesSkipped.rawValue] == 1)
    }
}
