// Random histories of publishers and durable subscribers that come and go, on routers that end in order or do not,
// against what MQTT promises: nothing acknowledged is lost, QoS 2 is exactly once, order is kept.

import Messages
import Testing

@testable import Router

/// A client with a durable session that keeps the protocol: it never acknowledges out of order, and sends again what
/// was not acknowledged when it comes back.
private struct Subscriber {
    let name: String
    let qos: UInt8
    /// -1: not connected.
    var slot: Int = -1
    var received: [String] = []
    /// Identifiers of QoS 2 messages that it has and that were not released.
    var held: Set<UInt16> = []
    /// What it will acknowledge: PUBACK, PUBREC or PUBCOMP, and the identifier.
    var owed: [(kind: UInt8, identifier: UInt16)] = []

    mutating func take(_ delivery: Delivery) {
        let recipient = delivery.recipients[0]
        switch recipient.qos {
        case 2:
            if held.insert(recipient.packetIdentifier).inserted { received.append(delivery.payload) }
            owed.append((5, recipient.packetIdentifier))
        default:
            received.append(delivery.payload)
            owed.append((4, recipient.packetIdentifier))
        }
    }

    mutating func release(_ identifier: UInt16) {
        held.remove(identifier)
        owed.append((7, identifier))
    }
}

private struct Publisher {
    struct Exchange {
        var identifier: UInt16
        var payload: String
        var qos: UInt8
        var isReceived = false
    }

    var slot: Int = -1
    /// In the order in which they were published.
    var open: [Exchange] = []
    var acknowledged: [(payload: String, qos: UInt8)] = []
    var next: UInt16 = 1
    var count = 0

    mutating func answer(_ entry: Entry) -> (kind: UInt8, identifier: UInt16)? {
        guard let index = open.firstIndex(where: { $0.identifier == entry.identifier }) else { return nil }
        switch entry.kind {
        case 5:
            open[index].isReceived = true
            return (6, entry.identifier)
        default:
            let exchange = open.remove(at: index)
            acknowledged.append((exchange.payload, exchange.qos))
            return nil
        }
    }
}

private final class History {
    var bench: RouterBench
    let folder = Folder()
    var random: SeededGenerator
    var publisher = Publisher()
    var subscribers = [Subscriber(name: "twice", qos: 1), Subscriber(name: "once", qos: 2)]
    var slots = 0

    init(seed: UInt64) throws {
        random = SeededGenerator(seed: seed)
        bench = try RouterBench(Self.settings, folder: folder)
    }

    func begin() throws {
        connectPublisher()
        for index in subscribers.indices {
            connect(index)
            bench.subscribe(1, UInt32(subscribers[index].slot), "t", qos: subscribers[index].qos)
            try exchange()
        }
    }

    static var settings: RouterSettings {
        var settings = RouterSettings()
        settings.inFlight = 20
        return settings
    }

    func connectPublisher() {
        slots += 1
        publisher.slot = slots
        bench.connect(0, UInt32(slots), "publisher", accept: UInt64(slots), expiry: 1000)
        // [MQTT-4.4.0-1]
        for exchange in publisher.open {
            if exchange.isReceived {
                bench.acknowledge(0, 6, UInt32(slots), exchange.identifier)
            } else {
                bench.publish(
                    0, UInt32(slots), "t", exchange.payload, qos: exchange.qos, identifier: exchange.identifier)
            }
        }
    }

    func connect(_ index: Int) {
        slots += 1
        subscribers[index].slot = slots
        subscribers[index].owed = []
        bench.connect(
            1, UInt32(slots), subscribers[index].name, accept: UInt64(slots),
            receiveMaximum: UInt16(1 + random.below(15)), expiry: 1000)
    }

    func publish() {
        guard publisher.open.count < 15 else { return }
        publisher.count += 1
        let exchange = Publisher.Exchange(
            identifier: publisher.next, payload: "\(publisher.count)", qos: UInt8(1 + random.below(2)))
        publisher.next = publisher.next % 60_000 + 1
        publisher.open.append(exchange)
        bench.publish(
            0, UInt32(publisher.slot), "t", exchange.payload, qos: exchange.qos, identifier: exchange.identifier)
    }

    /// Lets every client hear what there is for it; what it answers it keeps for later.
    func exchange() throws {
        let (refusals, acknowledgements) = bench.hearAll(0)
        for frame in refusals where frame[4] == FrameType.refusal.rawValue {
            // PUBREL for what is complete already: so be it.
            let refusal = try RefusalFrame(decoding: frame)
            if Int(refusal.slot) == publisher.slot, refusal.kind == 7 {
                _ = publisher.answer(Entry(7, refusal.slot, refusal.packetIdentifier))
            }
        }
        for entry in acknowledgements where Int(entry.slot) == publisher.slot {
            if let reply = publisher.answer(entry) {
                bench.acknowledge(0, reply.kind, UInt32(publisher.slot), reply.identifier)
            }
        }
        let (frames, answers) = bench.hearAll(1)
        for delivery in try deliveries(frames) {
            for recipient in delivery.recipients {
                var own = delivery
                own.recipients = [recipient]
                guard let index = subscribers.firstIndex(where: { $0.slot == Int(recipient.slot) }) else { continue }
                subscribers[index].take(own)
            }
        }
        for entry in answers {
            guard let index = subscribers.firstIndex(where: { $0.slot == Int(entry.slot) }) else { continue }
            subscribers[index].release(entry.identifier)
        }
    }

    func acknowledge(_ index: Int, most: Int) {
        for _ in 0..<min(most, subscribers[index].owed.count) {
            let answer = subscribers[index].owed.removeFirst()
            bench.acknowledge(1, answer.kind, UInt32(subscribers[index].slot), answer.identifier)
        }
    }

    func restart(inOrder: Bool) throws {
        bench.end(inOrder: inOrder)
        for index in subscribers.indices { subscribers[index].slot = -1 }
        bench = try RouterBench(Self.settings, folder: folder)
        connectPublisher()
    }

    func step() throws {
        switch random.below(100) {
        case 0..<45: publish()
        case 45..<70:
            let index = random.below(subscribers.count)
            if subscribers[index].slot >= 0 { acknowledge(index, most: 1 + random.below(6)) }
        case 70..<80: try exchange()
        case 80..<84: bench.pass(milliseconds: UInt64(random.below(5)))
        case 84..<88:
            let index = random.below(subscribers.count)
            if subscribers[index].slot >= 0 {
                bench.disconnect(1, UInt32(subscribers[index].slot))
                subscribers[index].slot = -1
            }
        case 88..<94:
            // Over a connection that the broker still takes for open, too.
            connect(random.below(subscribers.count))
        case 94..<97: connectPublisher()
        default: try restart(inOrder: random.below(2) == 0)
        }
    }

    func finish() throws {
        for index in subscribers.indices { connect(index) }
        connectPublisher()
        var quiet = 0
        while quiet < 3 {
            let before = (
                publisher.acknowledged.count, subscribers.map(\.received.count), subscribers.map(\.owed.count)
            )
            bench.pass(milliseconds: 10)
            try exchange()
            for index in subscribers.indices { acknowledge(index, most: .max) }
            let after = (publisher.acknowledged.count, subscribers.map(\.received.count), subscribers.map(\.owed.count))
            quiet = before == after ? quiet + 1 : 0
        }
    }
}

@Suite struct DurableHistoryTests {
    @Test(arguments: Array(1...20) as [UInt64])
    func nothingAcknowledgedIsLost(_ seed: UInt64) throws {
        let history = try History(seed: seed)
        try history.begin()
        for _ in 0..<400 { try history.step() }
        try history.finish()
        let (publisher, subscribers) = (history.publisher, history.subscribers)
        #expect(publisher.open.isEmpty, "seed \(seed)")
        for subscriber in subscribers {
            // First arrivals, in order: the publisher's own repetitions are at QoS 1 messages of their own.
            var seen: Set<String> = []
            let first = subscriber.received.filter { seen.insert($0).inserted }
            let missing = publisher.acknowledged.filter { !seen.contains($0.payload) }.map(\.payload)
            #expect(missing.isEmpty, "seed \(seed), \(subscriber.name)")
            #expect(
                first.compactMap(Int.init) == first.compactMap(Int.init).sorted(), "seed \(seed), \(subscriber.name)")
        }
        let once = Set(publisher.acknowledged.filter { $0.qos == 2 }.map(\.payload))
        var times: [String: Int] = [:]
        for payload in subscribers[1].received { times[payload, default: 0] += 1 }
        let doubled = once.filter { times[$0] != 1 }
        #expect(doubled.isEmpty, "seed \(seed)")
        history.bench.end(inOrder: true)
    }
}
