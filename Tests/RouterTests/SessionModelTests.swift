// Random histories of clients against a model of sessions small enough to be read at one go: who has a session, what it is
// subscribed to, and what it has not acknowledged. The model says beforehand whether CONNACK has session present, what
// SUBACK and UNSUBACK say, and which messages come to whom, with which QoS, in which order; nothing more may come.
//
// What the model leaves open is which member of a group gets a message: one of those that are connected, else one that is
// away, and no second one.

import Messages
import Testing

@testable import Router

/// A session as MQTT describes it (MQTT 5 §4.1).
private struct ModelSession {
    /// A message at QoS 1 or 2 that its client has not acknowledged.
    struct Pending: Equatable {
        var key: String
        var qos: UInt8
        /// 0: it was not sent.
        var identifier: UInt16 = 0
        /// The client has received it (PUBREC) and not completed (PUBCOMP).
        var isReceived = false
    }

    /// Seconds that it outlives its connection.
    var expiry: UInt32
    /// When it ends; nil: it is connected.
    var endsAt: UInt32?
    var subscriptions: [String: UInt8] = [:]
    var pending: [Pending] = []
}

private struct ModelClient {
    let name: String
    var session: ModelSession?
    /// nil: it is not connected.
    var slot: UInt32?
    /// The will's number and delay.
    var will: (number: Int, delay: UInt32)?
    /// When the will is to be published although the client has gone.
    var willAt: UInt32?

    var isConnected: Bool { slot != nil }
}

/// A message of which one member of a group gets a copy.
private struct GroupMessage {
    var key: String
    var candidates: Set<Int>
    /// A member is connected, so that it comes at once.
    var isDue: Bool
    /// A session that may have had it has ended.
    var mayBeLost = false
}

/// What comes to a client.
private struct Arrival {
    var key: String
    var qos: UInt8
    var identifier: UInt16
    var isRepeated: Bool
}

private let plainFilters = ["s/1", "s/+", "t/#", "#", "+/1", "u/2", "u/+"]
/// Filters of groups, no two of which match the same topic.
private let sharedFilters = ["$share/g/s/+", "$share/h/t/#"]
private let topics = ["s/1", "s/2", "t/1", "t/1/2", "u/1", "u/2"]

private func isShared(_ filter: String) -> Bool { filter.hasPrefix("$share/") }

/// The filter of a group without share name.
private func inner(_ filter: String) -> String {
    filter.split(separator: "/", maxSplits: 2).last.map(String.init) ?? ""
}

private final class SessionHistory {
    var bench: RouterBench
    let folder = Folder()
    var random: SeededGenerator
    let seed: UInt64
    var clients = (0..<5).map { ModelClient(name: "client \($0)") }
    var slots: UInt32 = 10
    /// The client of each slot that there ever was.
    var owners: [UInt32: Int] = [:]
    var now: UInt32
    var published = 0
    var wills = 0
    /// Packet identifiers of the publisher's that are not acknowledged.
    var open: Set<UInt16> = []
    var groupMessages: [GroupMessage] = []
    /// Slots and identifiers whose PUBREL is answered as soon as it comes.
    var completing: Set<[UInt32]> = []

    // What the step that is under way shall bring.
    var expected: [Int: [ModelSession.Pending]] = [:]
    var expectedReleases: Set<[UInt32]> = []
    var expectedWills: [String] = []
    var expectedFrames: [[UInt8]] = []
    var what = ""
    /// What has happened of that which the model is there for.
    var seen: Set<Kind> = []

    enum Kind: CaseIterable {
        case resumed, repeated, waited, released, replaced, expired, unsubscribed, shared, will, delayedWill
    }

    func note(_ kind: Kind) { seen.insert(kind) }

    static let (publisher, watcher): (UInt32, UInt32) = (1, 2)

    init(seed: UInt64) throws {
        self.seed = seed
        random = SeededGenerator(seed: seed)
        let first = try RouterBench(folder: folder)
        now = first.router.now
        bench = first
        attend()
    }

    /// One problem brings others about that say nothing.
    private(set) var hasFailed = false

    func fail(_ problem: String) {
        hasFailed = true
        Issue.record("seed \(seed), \(what): \(problem)")
    }

    /// Everyone has a session that lasts.
    func begin() throws {
        for index in clients.indices {
            connect(index, cleanStart: false, expiry: 1000, will: nil)
            try check()
            subscribe(index, plainFilters[index], qos: 2)
            try check()
        }
    }

    /// The publisher and the one who watches wills are connected.
    func attend() {
        bench.connect(0, Self.publisher, "publisher")
        bench.connect(0, Self.watcher, "watcher")
        bench.subscribe(0, Self.watcher, "w/#", qos: 0)
        _ = bench.hear(0)
    }

    // MARK: the model

    func route(_ topic: String, _ key: String, qos: UInt8) {
        for index in clients.indices {
            guard let session = clients[index].session else { continue }
            let granted = session.subscriptions.filter { !isShared($0.key) && matches($0.key, topic) }.map(\.value)
            guard let most = granted.max() else { continue }
            add(.init(key: key, qos: min(qos, most)), to: index)
        }
        for filter in sharedFilters where matches(inner(filter), topic) {
            let members = clients.indices.filter { clients[$0].session?.subscriptions[filter] != nil }
            let connected = members.filter { clients[$0].isConnected }
            guard !connected.isEmpty || (qos > 0 && !members.isEmpty) else { continue }
            groupMessages.append(
                GroupMessage(
                    key: key, candidates: Set(connected.isEmpty ? members : connected), isDue: !connected.isEmpty))
        }
    }

    func add(_ message: ModelSession.Pending, to index: Int) {
        if clients[index].isConnected { expected[index, default: []].append(message) }
        // At QoS 0 nothing waits for who is away.
        if message.qos > 0 { clients[index].session?.pending.append(message) }
    }

    func publishWill(_ index: Int) {
        guard let will = clients[index].will else { return }
        note(clients[index].willAt == nil ? .will : .delayedWill)
        clients[index].will = nil
        clients[index].willAt = nil
        expectedWills.append("w/\(will.number)")
        route("w/\(will.number)", "w/\(will.number):gone", qos: 0)
    }

    func endSession(_ index: Int) {
        clients[index].session = nil
        for message in groupMessages.indices where groupMessages[message].candidates.remove(index) != nil {
            groupMessages[message].mayBeLost = true
        }
        publishWill(index)
    }

    /// A connection is over.
    func leave(_ index: Int, will: Bool) {
        clients[index].slot = nil
        if !will { clients[index].will = nil }
        guard let expiry = clients[index].session?.expiry, expiry > 0 else { return endSession(index) }
        clients[index].session?.endsAt = now + expiry
        guard let will = clients[index].will else { return }
        if will.delay == 0 { publishWill(index) } else { clients[index].willAt = now + min(will.delay, expiry) }
    }

    // MARK: steps

    func connect(_ index: Int, cleanStart: Bool, expiry: UInt32, will: UInt32?) {
        what = "\(clients[index].name) connects, clean start \(cleanStart), expiry \(expiry)"
        if let slot = clients[index].slot {
            expectedFrames.append(DismissFrame(slot: slot, generation: 1, reasonCode: 0x8E).encoded())
            leave(index, will: true)
        }
        if cleanStart, clients[index].session != nil {
            note(.replaced)
            endSession(index)
        }
        let isPresent = clients[index].session != nil
        slots += 1
        owners[slots] = index
        if isPresent {
            note(.resumed)
            clients[index].session?.expiry = expiry
            clients[index].session?.endsAt = nil
        } else {
            clients[index].session = ModelSession(expiry: expiry)
        }
        clients[index].slot = slots
        clients[index].willAt = nil
        clients[index].will = will.map { delay in
            wills += 1
            return (wills, delay)
        }
        for message in clients[index].session?.pending ?? [] {
            note(message.isReceived ? .released : message.identifier != 0 ? .repeated : .waited)
            if message.isReceived {
                expectedReleases.insert([slots, UInt32(message.identifier)])
            } else {
                expected[index, default: []].append(message)
            }
        }
        expectedFrames.append(
            ConnackFrame(
                slot: slots, generation: 1, reasonCode: 0, sessionPresent: isPresent, sessionExpiry: expiry,
                durable: expiry > 0, clientIdentifier: Array(clients[index].name.utf8)
            ).encoded())
        bench.connect(
            1, slots, clients[index].name, accept: UInt64(slots), receiveMaximum: 1000,
            will: will.map { _ in "w/\(wills)" }, willDelay: will ?? 0, expiry: expiry, cleanStart: cleanStart)
    }

    func disconnect(_ index: Int, will: Bool) {
        guard let slot = clients[index].slot else { return }
        what = "\(clients[index].name) disconnects"
        leave(index, will: will)
        bench.disconnect(1, slot, will: will)
    }

    func subscribe(_ index: Int, _ filter: String, qos: UInt8) {
        guard let slot = clients[index].slot else { return }
        what = "\(clients[index].name) subscribes to \(filter) at \(qos)"
        clients[index].session?.subscriptions[filter] = qos
        bench.subscribe(1, slot, filter, qos: qos)
        expectSuback(type: .suback, slot, qos)
    }

    func unsubscribe(_ index: Int, _ filter: String) {
        guard let slot = clients[index].slot else { return }
        what = "\(clients[index].name) unsubscribes from \(filter)"
        let existed = clients[index].session?.subscriptions.removeValue(forKey: filter) != nil
        if existed { note(.unsubscribed) }
        bench.say(
            1,
            UnsubscribeFrame(slot: slot, generation: 1, packetIdentifier: 1, filters: [Array(filter.utf8)]).encoded())
        expectSuback(type: .unsuback, slot, existed ? 0 : 0x11)
    }

    private func expectSuback(type: FrameType, _ slot: UInt32, _ code: UInt8) {
        // Not the whole frame: which items it repeats for the listener's sake is no concern of MQTT's.
        expectedFrames.append([type.rawValue, UInt8(truncatingIfNeeded: slot), code])
    }

    func publish() {
        published += 1
        let (topic, qos) = (topics[random.below(topics.count)], UInt8(random.below(3)))
        what = "\(published) is published to \(topic) at \(qos)"
        let identifier = qos == 0 ? 0 : UInt16(truncatingIfNeeded: published)
        if qos > 0 { open.insert(identifier) }
        route(topic, "\(topic):\(published)", qos: qos)
        bench.publish(0, Self.publisher, topic, "\(published)", qos: qos, identifier: identifier)
    }

    /// A client acknowledges some of what it has; QoS 2 to the end, or as far as PUBREC.
    func acknowledge(_ index: Int) {
        guard let slot = clients[index].slot, let session = clients[index].session else { return }
        what = "\(clients[index].name) acknowledges"
        for message in session.pending.prefix(1 + random.below(4)) where !message.isReceived {
            let goesOn = random.below(3) > 0
            if message.qos == 1 {
                bench.acknowledge(1, 4, slot, message.identifier)
            } else {
                bench.acknowledge(1, 5, slot, message.identifier)
                expectedReleases.insert([slot, UInt32(message.identifier)])
            }
            settle(message, index, isReceived: message.qos == 2 && !goesOn)
            if message.qos == 2, goesOn { completing.insert([slot, UInt32(message.identifier)]) }
        }
    }

    /// A client completes what it has received.
    func complete(_ index: Int) {
        guard let slot = clients[index].slot, let session = clients[index].session else { return }
        what = "\(clients[index].name) completes"
        for message in session.pending where message.isReceived {
            bench.acknowledge(1, 7, slot, message.identifier)
            settle(message, index)
        }
    }

    private func settle(_ message: ModelSession.Pending, _ index: Int, isReceived: Bool = false) {
        guard let place = clients[index].session?.pending.firstIndex(of: message) else { return }
        if isReceived {
            clients[index].session?.pending[place].isReceived = true
        } else {
            clients[index].session?.pending.remove(at: place)
        }
    }

    func pass(seconds: UInt32) {
        what = "\(seconds) s pass"
        now += seconds
        for index in clients.indices {
            if let at = clients[index].willAt, at < now { publishWill(index) }
        }
        for index in clients.indices {
            guard let end = clients[index].session?.endsAt, end < now else { continue }
            note(.expired)
            endSession(index)
        }
        bench.pass(milliseconds: 1000, seconds: seconds)
        for _ in 0..<3 { _ = bench.router.expire() }
    }

    /// The router ends while nobody is connected, and another one goes on with the store.
    func restart(inOrder: Bool) throws {
        for index in clients.indices where clients[index].isConnected {
            disconnect(index, will: random.below(2) == 0)
            try check()
        }
        what = "a router begins"
        bench.pass(milliseconds: 100)
        bench.end(inOrder: inOrder)
        bench = try RouterBench(folder: folder)
        bench.router.now = now
        open = []
        attend()
        // Sessions are in the store until somebody needs them.
        if random.below(2) == 0 {
            publish()
            try check()
        }
        while !bench.router.sleepers.isEmpty { bench.router.wakeSome() }
    }

    func step() throws {
        let index = random.below(clients.count)
        switch random.below(100) {
        case 0..<40: publish()
        case 40..<52:
            let qos = UInt8(1 + random.below(2))
            if random.below(3) == 0 {
                subscribe(index, sharedFilters[random.below(sharedFilters.count)], qos: qos)
            } else {
                subscribe(index, plainFilters[random.below(plainFilters.count)], qos: qos - UInt8(random.below(2)))
            }
        case 52..<57:
            let filters = plainFilters + sharedFilters
            unsubscribe(index, filters[random.below(filters.count)])
        case 57..<67: acknowledge(index)
        case 67..<71: complete(index)
        case 71..<84:
            connect(
                index, cleanStart: random.below(8) == 0, expiry: [0, 10, 1000, 1000, 1000][random.below(5)],
                will: [nil, nil, 0, 5][random.below(4)])
        case 84..<91: disconnect(index, will: random.below(2) == 0)
        // Never as long as anything lasts: the second in which it ends is not the model's.
        case 91..<96: pass(seconds: 4)
        case 96..<98: pass(seconds: 25)
        default: try restart(inOrder: random.below(2) == 0)
        }
        try check()
    }

    // MARK: what came of it

    func check() throws {
        var arrivals: [Int: [Arrival]] = [:]
        var releases: Set<[UInt32]> = []
        var frames: [[UInt8]] = []
        var watched: [String] = []
        for _ in 0..<3 {
            try hear(&arrivals, &releases, &frames)
            let (seen, answers) = bench.hearAll(0)
            watched += try deliveries(seen).map(\.topic)
            for answer in answers where answer.slot == Self.publisher {
                if answer.kind == 5 { bench.acknowledge(0, 6, Self.publisher, answer.identifier) }
                if answer.kind != 5 { open.remove(answer.identifier) }
            }
        }
        for index in clients.indices { compare(index, arrivals[index] ?? []) }
        if frames != expectedFrames { fail("answers \(frames), not \(expectedFrames)") }
        if releases != expectedReleases { fail("PUBREL for \(releases), not \(expectedReleases)") }
        if watched.sorted() != expectedWills.sorted() { fail("wills \(watched), not \(expectedWills)") }
        (expected, expectedReleases, expectedWills, expectedFrames) = ([:], [], [], [])
        closeGroupMessages()
        let counted = (bench.router.sessionCount, bench.router.tree.count)
        let sessions = clients.compactMap(\.session)
        if counted.0 != sessions.count + 2 { fail("\(counted.0 - 2) sessions, not \(sessions.count)") }
        let subscriptions = sessions.map(\.subscriptions.count).reduce(0, +)
        if bench.router.sleepers.isEmpty, counted.1 != subscriptions + 1 {
            fail("\(counted.1 - 1) subscriptions, not \(subscriptions)")
        }
    }

    private func hear(
        _ arrivals: inout [Int: [Arrival]], _ releases: inout Set<[UInt32]>, _ frames: inout [[UInt8]]
    ) throws {
        let (heard, answers) = bench.hearAll(1)
        for frame in heard {
            switch FrameType(rawValue: frame[4]) {
            case .deliver:
                for delivery in try deliveries([frame]) {
                    for recipient in delivery.recipients {
                        guard let index = owners[recipient.slot], clients[index].slot == recipient.slot else {
                            fail("a message for a connection that is over")
                            continue
                        }
                        arrivals[index, default: []].append(
                            Arrival(
                                key: "\(delivery.topic):\(delivery.payload)", qos: recipient.qos,
                                identifier: recipient.packetIdentifier, isRepeated: recipient.duplicate))
                    }
                }
            case .suback:
                let suback = try SubackFrame(decoding: frame)
                frames.append([frame[4], UInt8(truncatingIfNeeded: suback.slot)] + suback.reasonCodes)
            case .unsuback:
                let unsuback = try UnsubackFrame(decoding: frame)
                frames.append([frame[4], UInt8(truncatingIfNeeded: unsuback.slot)] + unsuback.reasonCodes)
            case .refusal: continue  // of a PUBCOMP's or PUBREL's that came twice
            default: frames.append(frame)
            }
        }
        for answer in answers where answer.kind == 6 {
            let exchange = [answer.slot, UInt32(answer.identifier)]
            releases.insert(exchange)
            if completing.remove(exchange) != nil { bench.acknowledge(1, 7, answer.slot, answer.identifier) }
        }
    }

    /// Every message that is expected comes, in order; what is left is a copy that a group has chosen this member for.
    private func compare(_ index: Int, _ arrivals: [Arrival]) {
        var wanted = expected[index, default: []][...]
        let name = clients[index].name
        for arrival in arrivals {
            let group = groupMessages.firstIndex { $0.key == arrival.key && $0.candidates.contains(index) }
            if let message = wanted.first, message.key == arrival.key,
                message.identifier == 0 || message.identifier == arrival.identifier || group == nil
            {
                wanted.removeFirst()
                if message.identifier == 0, group != nil, arrivals.count(where: { $0.key == arrival.key }) > 1 {
                    // Which of the two copies is the group's can not be told: both are acknowledged.
                    settle(message, index)
                    acknowledgeAtOnce(arrival, index)
                    continue
                }
                if group == nil, message.qos != arrival.qos { fail("\(name): \(arrival) has not QoS \(message.qos)") }
                guard message.qos > 0, let place = clients[index].session?.pending.firstIndex(of: message) else {
                    continue
                }
                // [MQTT-4.4.0-1], [MQTT-3.3.1-1]
                if message.identifier != 0, message.identifier != arrival.identifier {
                    fail("\(name): \(arrival) was sent as \(message.identifier)")
                }
                if arrival.isRepeated != (message.identifier != 0) { fail("\(name): DUP of \(arrival)") }
                clients[index].session?.pending[place].identifier = arrival.identifier
                clients[index].session?.pending[place].qos = arrival.qos
            } else if let group {
                note(.shared)
                groupMessages.remove(at: group)
                acknowledgeAtOnce(arrival, index)
            } else {
                fail("\(name): \(arrival) is for nobody, or comes too early")
            }
        }
        if !wanted.isEmpty { fail("\(name): \(wanted) did not come") }
        // Had it a message of a group's, it would have come now.
        guard clients[index].isConnected else { return }
        for message in groupMessages.indices { groupMessages[message].candidates.remove(index) }
    }

    /// What is not acknowledged of a group's would go to another member when this one leaves.
    private func acknowledgeAtOnce(_ arrival: Arrival, _ index: Int) {
        guard let slot = clients[index].slot, arrival.qos > 0 else { return }
        bench.acknowledge(1, arrival.qos == 1 ? 4 : 5, slot, arrival.identifier)
        guard arrival.qos == 2 else { return }
        _ = bench.hear(1)
        bench.acknowledge(1, 7, slot, arrival.identifier)
    }

    private func closeGroupMessages() {
        for message in groupMessages where message.candidates.isEmpty {
            if message.isDue || !message.mayBeLost { fail("\(message.key) reached no member of its group") }
        }
        groupMessages.removeAll { $0.candidates.isEmpty }
    }

    /// Everyone comes back and acknowledges everything.
    func finish() throws {
        for index in clients.indices {
            connect(index, cleanStart: false, expiry: 1000, will: nil)
            try check()
        }
        for _ in 0..<200 where clients.contains(where: { !($0.session?.pending.isEmpty ?? true) }) {
            for index in clients.indices {
                acknowledge(index)
                try check()
                complete(index)
                try check()
            }
        }
        bench.pass(milliseconds: 100)
        try check()
        if !groupMessages.isEmpty { fail("\(groupMessages) are with nobody") }
        if !open.isEmpty { fail("the publisher's \(open) were never acknowledged") }
        let (queued, stored) = (bench.router.queues.count, bench.router.durables.storedBytes)
        if queued != 0 || stored != 0 { fail("\(queued) messages and \(stored) bytes are left") }
    }
}

@Suite struct SessionModelTests {
    @Test func sessionsAreAsTheModelSays() throws {
        var seen: Set<SessionHistory.Kind> = []
        for seed in 1...16 as ClosedRange<UInt64> {
            let history = try SessionHistory(seed: seed)
            try history.begin()
            for _ in 0..<600 where !history.hasFailed { try history.step() }
            if !history.hasFailed { try history.finish() }
            history.bench.end(inOrder: true)
            seen.formUnion(history.seen)
        }
        let missing = SessionHistory.Kind.allCases.filter { !seen.contains($0) }
        #expect(missing.isEmpty, "no history shows these")
    }
}
