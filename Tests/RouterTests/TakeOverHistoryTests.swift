// Random histories of clients on two listeners, under routers that are killed at any moment of a turn, or retire: every
// message once, in order, every publisher answered once.

import EventLoop
import Messages
import Store
import Testing

@testable import Router

/// A client that only publishes.
private struct Publisher {
    let name: String
    let place: Int
    let slot: UInt32
    let isDurable: Bool
    var count = 0
    var open: [UInt16: String] = [:]
    /// Identifiers of messages that PUBREL was said for.
    var releasing: Set<UInt16> = []
    var answers: [String: [UInt8]] = [:]
    var next: UInt16 = 1
    /// Payloads by QoS.
    var published: [[String]] = [[], [], []]
}

/// A client that only subscribes.
private struct Subscriber {
    let name: String
    let place: Int
    var slot: UInt32
    let qos: UInt8
    let isDurable: Bool
    let receiveMaximum: UInt16
    var isReady = false
    var received: [(topic: String, payload: String)] = []
    var held: Set<UInt16> = []
    var owed: [(kind: UInt8, identifier: UInt16, payload: String)] = []
    /// At QoS 1, and not acknowledged when it went away: they may come again.
    var mayRepeat: Set<String> = []
}

/// Where a router dies.
private enum Death: CaseIterable { case handled, flushed, submitted, released }

private final class TakeOverHistory {
    let seed: UInt64
    let folder = Folder()
    var random: SeededGenerator
    var bench: RouterBench
    var listeners = [ModelListener(place: 100), ModelListener(place: 101)]
    var publishers: [Publisher] = []
    var subscribers: [Subscriber] = []
    var kills = 0
    var slots: UInt32 = 200
    /// Turns for which nothing is heard of the store, which is slow.
    var unheard = 0
    /// Turns for which the store takes nothing.
    var stalled = 0
    /// Subscribers that have asked for what is retained.
    var asked: Set<Int> = []
    /// Whether clients that are not kept get more than they take at once.
    let fills: Bool

    /// Bytes of a stream that may be held back before what waits is written.
    let limit: UInt64

    init(seed: UInt64, fills: Bool, limit: UInt64 = 1 << 20) throws {
        self.seed = seed
        self.limit = limit
        self.fills = fills
        random = SeededGenerator(seed: seed)
        bench = try RouterBench(Self.settings, folder: folder, greets: false)
        bench.router.backlogs.limit = limit
        for index in listeners.indices { listeners[index].begin() }
        for place in 0..<2 {
            for isDurable in [false, true] {
                let slot = UInt32(publishers.count)
                publishers.append(Publisher(name: "p\(slot)", place: place, slot: slot, isDurable: isDurable))
            }
            for qos in UInt8(0)...2 {
                for isDurable in [false, true] where qos > 0 || !isDurable {
                    let slot = UInt32(100 + subscribers.count)
                    subscribers.append(
                        Subscriber(
                            name: "s\(slot)", place: place, slot: slot, qos: qos, isDurable: isDurable,
                            receiveMaximum: isDurable || fills ? UInt16(2 + random.below(20)) : 10_000))
                }
            }
        }
    }

    static var settings: RouterSettings {
        var settings = RouterSettings()
        settings.inFlight = 10_000
        settings.queueMessages = 100_000
        return settings
    }

    func begin() throws {
        for publisher in publishers {
            connect(publisher.place, publisher.slot, publisher.name, publisher.isDurable, 100)
        }
        for subscriber in subscribers {
            connect(
                subscriber.place, subscriber.slot, subscriber.name, subscriber.isDurable, subscriber.receiveMaximum)
        }
        try quieten()
        for subscriber in subscribers {
            listeners[subscriber.place].say(
                SubscribeFrame(
                    slot: subscriber.slot, generation: 1, packetIdentifier: 1, identifier: 0,
                    items: [.init(filter: Array("a/+".utf8), options: subscriber.qos)]
                ).encoded())
        }
        try quieten()
        let unready = subscribers.filter { !$0.isReady }.count
        #expect(unready == 0, "seed \(seed)")
    }

    func connect(_ place: Int, _ slot: UInt32, _ name: String, _ isDurable: Bool, _ receiveMaximum: UInt16) {
        listeners[place].connect(
            ConnectFrame(
                slot: slot, generation: 1, acceptNumber: UInt64(slot), peer: PeerAddress(ipv4: 0x7F00_0001, port: 1),
                version: 5, cleanStart: !isDurable, keepAlive: 0, sessionExpiry: isDurable ? 1000 : 0,
                receiveMaximum: receiveMaximum, maximumPacketSize: 0, clientIdentifier: Array(name.utf8), userName: [],
                will: nil))
    }

    /// A client whose session is kept goes, or is gone without a word, and comes back at once.
    func reconnect(_ index: Int) {
        let subscriber = subscribers[index]
        guard subscriber.isDurable else { return }
        if random.below(3) > 0 { listeners[subscriber.place].disconnect(subscriber.slot, will: false) }
        slots += 1
        subscribers[index].slot = slots
        for answer in subscriber.owed where answer.kind == 4 { subscribers[index].mayRepeat.insert(answer.payload) }
        subscribers[index].owed = []
        connect(subscriber.place, slots, subscriber.name, true, subscriber.receiveMaximum)
    }

    /// Retained messages, and how many of each subscriber's subscriptions ask for them.
    static var retained: Int { 400 }

    func retain() throws {
        let publisher = publishers[0]
        for number in 0..<Self.retained {
            let qos = UInt8(number % 3)
            let identifier = qos == 0 ? 0 : UInt16(60_001 + number)
            if qos > 0 { publishers[0].open[identifier] = "r\(number)" }
            listeners[publisher.place].say(
                publishFrame(publisher.slot, "r/\(number)", "r", qos: qos, identifier: identifier, flags: 1))
        }
        try quieten()
    }

    /// A subscriber whose session ends with its connection asks for what is retained.
    func askForRetained(_ index: Int) {
        let subscriber = subscribers[index]
        guard !subscriber.isDurable, asked.insert(index).inserted else { return }
        listeners[subscriber.place].say(
            SubscribeFrame(
                slot: subscriber.slot, generation: 1, packetIdentifier: 2, identifier: 0,
                items: [.init(filter: Array("r/+".utf8), options: subscriber.qos)]
            ).encoded())
    }

    func checkRetained() {
        for index in asked {
            let topics = subscribers[index].received.map(\.topic).filter { $0.hasPrefix("r/") }
            let expected = Set((0..<Self.retained).map { "r/\($0)" })
            if topics.count == Self.retained, Set(topics) == expected { continue }
            Issue.record(
                "seed \(seed): \(subscribers[index].name) got \(topics.count) retained, \(Set(topics).count) of them once"
            )
        }
    }

    func publish(_ index: Int) {
        let qos = UInt8(random.below(3))
        guard publishers[index].open.count < 50 else { return }
        publishers[index].count += 1
        let payload = "\(publishers[index].name).\(publishers[index].count)"
        publishers[index].published[Int(qos)].append(payload)
        var identifier: UInt16 = 0
        if qos > 0 {
            identifier = publishers[index].next
            publishers[index].next = identifier % 60_000 + 1
            publishers[index].open[identifier] = payload
        }
        let publisher = publishers[index]
        listeners[publisher.place].say(
            publishFrame(publisher.slot, "a/\(qos)", payload, qos: qos, identifier: identifier))
    }

    // MARK: turns

    /// The listeners put into their channels what they have, all or a part of it.
    func send(all: Bool) {
        for index in listeners.indices {
            let count = all ? listeners[index].unsent.count : random.below(listeners[index].unsent.count + 1)
            guard count > 0 else { continue }
            bench.whisper(index, Array(listeners[index].unsent[..<count]))
            listeners[index].unsent.removeFirst(count)
        }
    }

    /// - Returns: whether the router lives.
    func turn(_ death: Death?, wait: Int32 = 0) throws {
        for link in 0..<2 where bench.router.links[link].isOpen { bench.router.receiveFrames(link) }
        unheard = unheard > 0 ? unheard - 1 : random.below(20) == 0 ? random.below(20) : 0
        if unheard == 0 {
            bench.awaitStore(milliseconds: wait)
            bench.router.handleStore()
        }
        _ = bench.router.loadRetained()
        if bench.router.isRecovering { bench.router.continueRecovery() }
        if !bench.router.isStarting { bench.router.continueReplays() }
        if death == .handled { return try die() }
        try hear()
        for link in bench.router.links.indices where bench.router.links[link].isTouched { bench.router.flush(link) }
        if death == .flushed { return try die(cutting: true) }
        stalled = stalled > 0 ? stalled - 1 : random.below(20) == 0 ? random.below(6) : 0
        if stalled == 0 {
            bench.router.submittedAt = random.below(2) == 0 ? 0 : bench.router.submittedAt
            bench.router.commitTurn()
        }
        if death == .submitted { return try die() }
        bench.router.releaseFrames()
        if death == .released { try die() }
    }

    /// - Parameter cutting: of what was put into the channels since they were last heard only the beginning was.
    func die(cutting: Bool = false) throws {
        kills += 1
        let open = bench.router.links.map(\.isOpen)
        #expect(open == [true, true], "seed \(seed)")
        bench.kill()
        for link in 0..<2 {
            let bytes = bench.take(link)
            try heard(link, cutting ? Array(bytes[..<random.below(bytes.count + 1)]) : bytes)
        }
        try begin(anew: ())
    }

    func retire() throws {
        bench.router.retire()
        for link in 0..<2 { try heard(link, bench.take(link)) }
        bench.kill()
        try begin(anew: ())
    }

    func begin(anew: Void) throws {
        bench = try RouterBench(Self.settings, folder: folder, greets: false)
        bench.router.backlogs.limit = limit
        for index in listeners.indices { listeners[index].begin() }
    }

    func hear() throws {
        for link in 0..<2 { try heard(link, bench.take(link)) }
    }

    func heard(_ link: Int, _ bytes: [UInt8]) throws {
        for event in try listeners[link].hear(bytes) {
            switch event {
            case .message(let slot, let topic, let payload, let entry):
                guard let index = subscribers.firstIndex(where: { $0.slot == slot }) else { continue }
                take(index, topic, payload, entry)
            case .acknowledgement(let entry): acknowledged(link, entry)
            case .connack: break
            case .suback(let slot):
                guard let index = subscribers.firstIndex(where: { $0.slot == slot }) else { continue }
                subscribers[index].isReady = true
            case .dismissed(let slot):
                // Only what its client had left without a word.
                if subscribers.contains(where: { $0.slot == slot }) || slot < 100 {
                    Issue.record("seed \(seed): \(slot) was dismissed")
                }
            }
        }
    }

    func take(_ index: Int, _ topic: String, _ payload: String, _ entry: SlotEntry) {
        switch entry.qos {
        case 0: subscribers[index].received.append((topic, payload))
        case 1:
            subscribers[index].received.append((topic, payload))
            subscribers[index].owed.append((4, entry.packetIdentifier, payload))
        default:
            if subscribers[index].held.insert(entry.packetIdentifier).inserted {
                subscribers[index].received.append((topic, payload))
            }
            subscribers[index].owed.append((5, entry.packetIdentifier, payload))
        }
    }

    func acknowledged(_ link: Int, _ entry: Entry) {
        if let index = subscribers.firstIndex(where: { $0.slot == entry.slot }) {
            subscribers[index].held.remove(entry.identifier)
            subscribers[index].owed.append((7, entry.identifier, ""))
            return
        }
        // One that its client has left meanwhile.
        guard entry.slot < 100 else { return }
        guard let index = publishers.firstIndex(where: { $0.slot == entry.slot }),
            let payload = publishers[index].open[entry.identifier]
        else {
            Issue.record("seed \(seed): an answer \(entry) to what nobody waits for")
            return
        }
        publishers[index].answers[payload, default: []].append(entry.kind)
        if entry.kind == 5 {
            guard publishers[index].releasing.insert(entry.identifier).inserted else { return }
            listeners[link].acknowledge(entry.slot, 6, entry.identifier)
        } else {
            publishers[index].open[entry.identifier] = nil
            publishers[index].releasing.remove(entry.identifier)
        }
    }

    func acknowledge(_ index: Int, most: Int) {
        for _ in 0..<min(most, subscribers[index].owed.count) {
            let answer = subscribers[index].owed.removeFirst()
            listeners[subscribers[index].place].acknowledge(
                subscribers[index].slot, answer.kind, answer.identifier)
        }
    }

    func step(retiring: Bool) throws {
        switch random.below(100) {
        case 0..<40: publish(random.below(publishers.count))
        case 40..<60: acknowledge(random.below(subscribers.count), most: 1 + random.below(8))
        case 60..<70: send(all: random.below(4) > 0)
        case 70..<95:
            send(all: random.below(3) > 0)
            try turn(nil)
            if random.below(3) == 0 { try hear() }
            bench.router.milliseconds += UInt64(random.below(6))
        case 96..<98 where retiring:
            kills += 1
            try retire()
        case 95 where random.below(2) == 0: reconnect(random.below(subscribers.count))
        case 97 where !retiring, 98 where !retiring:
            send(all: random.below(2) > 0)
            try turn(Death.allCases.randomElement(using: &random)!)
        case 99:
            let index = random.below(2)
            if listeners[index].unsent.isEmpty { listeners[index].reportConsumed() }
        default: try hear()
        }
    }

    /// Turns until nothing happens any more.
    func quieten() throws {
        var quiet = 0
        while quiet < 4 {
            func state() -> [Int] {
                subscribers.map(\.received.count) + subscribers.map(\.owed.count) + publishers.map(\.open.count)
            }
            let before = state()
            send(all: true)
            (stalled, unheard) = (0, 0)
            try turn(nil, wait: 5)
            try hear()
            for index in subscribers.indices { acknowledge(index, most: .max) }
            bench.router.milliseconds += 20
            let isBusy =
                bench.router.isRecovering || bench.isReading || !bench.router.replays.sessions.isEmpty
                || bench.router.commits.submitted > bench.router.commits.committed
                || !bench.router.log.isEmpty || bench.router.store.isBusy || !listeners.allSatisfy { $0.unsent.isEmpty }
            quiet = before == state() && !isBusy ? quiet + 1 : 0
        }
    }

    func check() {
        for publisher in publishers {
            #expect(publisher.open.isEmpty, "seed \(seed), \(publisher.name)")
            for payload in publisher.published[1] where publisher.answers[payload] != [4] {
                Issue.record("seed \(seed): \(payload) was answered \(publisher.answers[payload] ?? [])")
            }
            for payload in publisher.published[2] where publisher.answers[payload] != [5, 7] {
                Issue.record("seed \(seed): \(payload) was answered \(publisher.answers[payload] ?? [])")
            }
        }
        for subscriber in subscribers {
            for qos in 0..<3 {
                for publisher in publishers { check(subscriber, publisher, qos) }
            }
        }
    }

    private func check(_ subscriber: Subscriber, _ publisher: Publisher, _ qos: Int) {
        let expected = publisher.published[qos]
        let received = subscriber.received.filter {
            $0.topic == "a/\(qos)" && $0.payload.hasPrefix(publisher.name + ".")
        }.map(\.payload)
        // Beyond the window of a session that is kept, a router that dies takes QoS 0 with it.
        let isPromised = qos > 0 || !subscriber.isDurable
        if received == expected { return }
        let kind = "\(subscriber.isDurable ? "durable" : "clean") \(subscriber.name) at \(subscriber.qos)"
        let missing = expected.filter { !received.contains($0) }
        var seen: Set<String> = []
        let doubled = received.filter { !seen.insert($0).inserted && !subscriber.mayRepeat.contains($0) }
        seen = []
        if received.filter({ seen.insert($0).inserted }) == expected, doubled.isEmpty { return }
        if !isPromised, doubled.isEmpty { return }
        Issue.record("seed \(seed): \(kind), QoS \(qos): missing \(missing), doubled \(doubled), of \(expected.count)")
    }
}

@Suite struct TakeOverHistoryTests {
    /// With queues of sessions that end with their connections.
    /// New subscriptions that get what is retained over the deaths of several routers.
    @Test(arguments: Array(1...30) as [UInt64])
    func retainedMessagesComeOnce(_ seed: UInt64) throws {
        let history = try TakeOverHistory(seed: seed, fills: true, limit: [0, 4000, 1 << 20][Int(seed % 3)])
        try history.begin()
        try history.retain()
        for _ in 0..<600 {
            if history.random.below(40) == 0 { history.askForRetained(history.random.below(history.subscribers.count)) }
            try history.step(retiring: seed % 4 == 0)
        }
        try history.quieten()
        history.checkRetained()
        #expect(!history.asked.isEmpty)
        history.bench.kill()
    }

    @Test(arguments: Array(1...20) as [UInt64])
    func retiringRoutersLoseAndRepeatNothing(_ seed: UInt64) throws {
        let history = try TakeOverHistory(seed: seed, fills: true)
        try history.begin()
        for _ in 0..<1200 { try history.step(retiring: true) }
        try history.quieten()
        history.check()
        #expect(history.kills > 3, "seed \(seed)")
        history.bench.kill()
    }

    /// Of a session's queue what waits is in the store, or in frames, or a part in each.
    @Test(arguments: Array(1...60) as [UInt64])
    func killedRoutersLoseAndRepeatNothing(_ seed: UInt64) throws {
        let history = try TakeOverHistory(seed: seed, fills: true, limit: [0, 4000, 1 << 20][Int(seed % 3)])
        try history.begin()
        for _ in 0..<1200 { try history.step(retiring: false) }
        try history.quieten()
        history.check()
        #expect(history.kills > 3, "seed \(seed)")
        history.bench.kill()
    }
}
