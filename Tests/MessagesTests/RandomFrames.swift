// The catalogue as the tests see it: every frame that is written field by field, with random values.

@testable import Messages

protocol RandomFrame: Frame, Equatable {
    static func random(_ r: inout SplitMix64) -> Self
}

/// Every frame of the catalogue but the hot ones.
let catalogue: [any RandomFrame.Type] = [
    Welcome.self, ListenerSettings.self, RouterSettings.self, ChannelOffer.self, ArenaOffer.self, Accepted.self,
    Ping.self, Stop.self, PeerGone.self, Query.self, TakeOver.self, Retire.self, StreamQuestion.self, StreamGo.self,
    Released.self,
    Ready.self, Pong.self, Closed.self, Stopped.self, Answer.self, Fault.self, Prepared.self, Retired.self,
    StreamAnswer.self,
    ConnectFrame.self, SubscribeFrame.self, UnsubscribeFrame.self, DisconnectedFrame.self, CongestionFrame.self,
    ConsumedFrame.self, ResumeFrame.self, ResumeEnd.self,
    ConnackFrame.self, SubackFrame.self, UnsubackFrame.self, InterestsFrame.self, DismissFrame.self, RefusalFrame.self,
    MarksFrame.self,
    DeferredFrame.self, CompletedFrame.self, NoteFrame.self,
    Hello.self, Adopt.self, Held.self, Adopted.self, Estate.self, BridgeSettings.self, BridgeState.self,
    BridgeWaiting.self,
    AuthSettings.self, AuthState.self, AuthRequest.self, AuthForget.self, AuthAnswer.self,
]

extension SplitMix64 {
    /// Any value, the smallest and the greatest more often than others.
    mutating func integer<T: FixedWidthInteger>() -> T {
        switch below(6) {
        case 0: .min
        case 1: .max
        default: T.random(in: .min ... .max, using: &self)
        }
    }

    mutating func bool() -> Bool { below(2) == 0 }

    mutating func text() -> String {
        String((0..<below(12)).map { _ in "aZ09/+#$ äß€😀\u{0}".randomElement(using: &self)! })
    }

    mutating func list<T>(_ make: (inout SplitMix64) -> T) -> [T] { (0..<below(5)).map { _ in make(&self) } }

    mutating func peer() -> PeerAddress {
        bool()
            ? PeerAddress(ipv4: integer(), port: integer())
            : PeerAddress(high: integer(), low: integer(), port: integer())
    }
}

extension Adopt: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self(process: r.integer()) }
}

extension Adopted: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self() }
}

extension Held: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(place: r.integer(), connections: Accepted.random(&r).connections)
    }
}

extension Estate: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(
            lastNumber: r.integer(), lastAccept: r.integer(),
            places: r.list { r in
                Place(
                    number: r.integer(), role: Role.allCases.randomElement(using: &r)!, name: r.text(),
                    generation: r.integer(), served: r.integer(), hasDied: r.bool(),
                    worker: Worker.random(&r), successor: Worker.random(&r))
            },
            wires: r.list { r in
                Wire(serial: r.integer(), listener: r.integer(), router: r.integer(), isAbandoned: r.bool())
            })
    }
}

extension Estate.Worker {
    static func random(_ r: inout SplitMix64) -> Self? {
        r.bool() ? Self(number: r.integer(), generation: r.integer(), process: r.integer()) : nil
    }
}

extension Welcome: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(
            role: Role.allCases.randomElement(using: &r)!, worker: r.integer(), generation: r.integer(),
            name: r.text())
    }
}

extension ListenerSettings: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        var settings = Self()
        settings.logLevel = r.integer()
        settings.transport = r.bool() ? .mqtt : .webSocket
        settings.anonymous = [.refused, .loopback, .allowed].randomElement(using: &r)!
        settings.boundToLoopback = r.bool()
        settings.logConnections = r.bool()
        settings.packetSize = r.integer()
        settings.topicLevels = r.integer()
        settings.topicLength = r.integer()
        settings.clientIdentifierLength = r.integer()
        settings.topicAliases = r.integer()
        settings.givenTopicAliases = r.integer()
        settings.inFlight = r.integer()
        settings.keepAliveMaximum = r.integer()
        settings.outputBuffer = r.integer()
        settings.httpRequest = r.integer()
        settings.connectTimeout = r.integer()
        settings.heartbeatTimeout = r.integer()
        settings.webSocketPingInterval = r.integer()
        settings.serverReference = r.text()
        settings.origins = r.list { $0.text() }
        settings.hosts = r.list { $0.text() }
        settings.authenticates = r.bool()
        settings.authentications = r.integer()
        return settings
    }
}

extension RouterSettings: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        var settings = Self()
        settings.logLevel = r.integer()
        settings.sessions = r.integer()
        settings.subscriptions = r.integer()
        settings.inFlight = r.integer()
        settings.queueMessages = r.integer()
        settings.queueBytes = r.integer()
        settings.queuePolicy = [.dropOldest, .dropNewest, .disconnect].randomElement(using: &r)!
        settings.retainedMessages = r.integer()
        settings.retainedBytes = r.integer()
        settings.packetSize = r.integer()
        settings.sessionExpiry = r.integer()
        settings.topicLevels = r.integer()
        settings.durability = [.commit, .periodic, .none].randomElement(using: &r)!
        settings.stateDirectory = r.text()
        settings.storeBytes = r.integer()
        settings.minimumFree = r.integer()
        settings.systemInterval = r.integer()
        settings.version = r.text()
        if r.bool() {
            settings.bridge = BridgeSession(
                items: SubscribeFrame.random(&r).items, messages: r.integer(), bytes: r.integer(),
                policy: [.dropOldest, .dropNewest].randomElement(using: &r)!, isCluster: r.bool())
        }
        return settings
    }
}

extension BridgeSettings: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        var settings = Self()
        settings.isCluster = r.bool()
        settings.bindings = r.integer()
        settings.node = r.text()
        settings.uris = r.list { $0.text() }
        settings.authorities = r.text()
        settings.certificate = r.text()
        settings.key = r.text()
        settings.verifiesHost = r.bool()
        settings.heartbeat = r.integer()
        settings.connectTimeout = r.integer()
        settings.retryLimit = r.integer()
        settings.prefetch = r.integer()
        settings.inFlight = r.integer()
        settings.exchange = r.text()
        settings.exchangeType = r.text()
        settings.declaresExchange = r.bool()
        settings.queue = r.text()
        settings.isQuorum = r.bool()
        settings.queueTTL = r.integer()
        settings.queueLength = r.integer()
        settings.inbound = r.list { $0.text() }
        settings.isOutbound = r.bool()
        settings.template = r.text()
        settings.isMandatory = r.bool()
        settings.packetSize = r.integer()
        settings.topicLength = r.integer()
        settings.topicLevels = r.integer()
        settings.logLevel = r.integer()
        return settings
    }
}

extension AuthSettings: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        var settings = Self()
        settings.passwordFile = r.text()
        settings.reading = r.integer()
        settings.threads = r.integer()
        settings.requests = r.integer()
        settings.connections = r.integer()
        settings.logLevel = r.integer()
        return settings
    }
}

extension AuthState: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self(reading: r.integer(), problem: r.text()) }
}

extension AuthRequest: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(
            slot: r.integer(), generation: r.integer(), serial: r.integer(),
            kind: [.settled, .password, .begin, .proceed, .renew].randomElement(using: &r)!, peer: r.peer(),
            version: r.integer(), clientIdentifier: r.octets(upTo: 9), userName: r.octets(upTo: 9),
            password: r.octets(upTo: 9), method: r.octets(upTo: 9),
            data: r.octets(upTo: 9))
    }
}

extension AuthForget: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(slot: r.integer(), generation: r.integer(), serial: r.integer())
    }
}

extension AuthAnswer: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(
            slot: r.integer(), generation: r.integer(), serial: r.integer(), reasonCode: r.integer(),
            userName: r.octets(upTo: 9), data: r.octets(upTo: 9), reason: r.text())
    }
}

extension BridgeState: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self(problem: r.text()) }
}

extension BridgeWaiting: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self(messages: r.integer()) }
}

extension ChannelOffer: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        let history: ChannelOffer.History =
            switch r.below(4) {
            case 0: .none
            case 1: .continued
            case 2: .abandoned
            default: .recovered(taken: r.integer(), put: r.integer())
            }
        return Self(
            peerRole: Role.allCases.randomElement(using: &r)!, peerWorker: r.integer(), peerName: r.text(),
            serial: r.integer(), history: history)
    }
}

extension ArenaOffer: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self(byteCount: r.integer()) }
}

extension Accepted: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(
            r.list {
                Connection(slot: $0.integer(), generation: $0.integer(), acceptNumber: $0.integer(), peer: $0.peer())
            })
    }
}

extension Ping: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(sequence: r.integer(), listeners: r.list { $0.integer() })
    }
}

extension Stop: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self(reasonCode: r.integer(), limit: r.integer()) }
}

extension PeerGone: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self(worker: r.integer()) }
}

extension Query: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(number: r.integer(), kind: r.bool() ? .clients : .kick, cursor: r.integer(), text: r.text())
    }
}

extension Ready: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self() }
}

extension Pong: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(sequence: r.integer(), counters: r.list { $0.integer() })
    }
}

extension Closed: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(r.list { Slot(slot: $0.integer(), generation: $0.integer()) })
    }
}

extension Stopped: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self() }
}

extension Answer: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(
            number: r.integer(), nextCursor: r.bool() ? r.integer() : nil,
            clients: r.list {
                Client(
                    clientIdentifier: $0.text(), listener: $0.text(), peer: $0.peer(), version: $0.integer(),
                    connected: $0.integer(), keepAlive: $0.integer(), subscriptions: $0.integer())
            })
    }
}

extension Fault: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self(worker: r.integer(), what: r.text()) }
}

extension ConnectFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        let will = Will(
            qos: r.integer(), retain: r.bool(), delay: r.integer(), topic: r.octets(upTo: 9),
            payload: r.octets(upTo: 9), properties: r.octets(upTo: 9))
        return Self(
            slot: r.integer(), generation: r.integer(), acceptNumber: r.integer(), peer: r.peer(),
            version: r.integer(), cleanStart: r.bool(), keepAlive: r.integer(), sessionExpiry: r.integer(),
            receiveMaximum: r.integer(), maximumPacketSize: r.integer(), clientIdentifier: r.octets(upTo: 9),
            userName: r.octets(upTo: 9), will: r.bool() ? will : nil)
    }
}

extension ConnackFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(
            slot: r.integer(), generation: r.integer(), reasonCode: r.integer(), sessionPresent: r.bool(),
            sessionExpiry: r.integer(), durable: r.bool(), clientIdentifier: r.octets(upTo: 9))
    }
}

extension DisconnectedFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(
            slot: r.integer(), generation: r.integer(), reasonCode: r.integer(), publishWill: r.bool(),
            sessionExpiry: r.bool() ? r.integer() : nil)
    }
}

extension DismissFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(slot: r.integer(), generation: r.integer(), reasonCode: r.integer())
    }
}

extension ConsumedFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self(offset: r.integer()) }
}

extension CongestionFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(slot: r.integer(), generation: r.integer(), congested: r.bool())
    }
}

extension RefusalFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(
            slot: r.integer(), generation: r.integer(), kind: r.integer(), packetIdentifier: r.integer(),
            reasonCode: r.integer())
    }
}

extension SubscribeFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(
            slot: r.integer(), generation: r.integer(), packetIdentifier: r.integer(), identifier: r.integer(),
            items: r.list { Item(filter: $0.octets(upTo: 9), options: $0.integer()) })
    }
}

extension UnsubscribeFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(
            slot: r.integer(), generation: r.integer(), packetIdentifier: r.integer(),
            filters: r.list { $0.octets(upTo: 9) })
    }
}

extension SubackFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(
            slot: r.integer(), generation: r.integer(), packetIdentifier: r.integer(),
            reasonCodes: r.octets(upTo: 9), identifier: r.integer(),
            items: r.list { SubscribeFrame.Item(filter: $0.octets(upTo: 9), options: $0.integer()) })
    }
}

extension InterestsFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(
            begins: r.bool(), isWhole: r.bool(),
            items: r.list { Item(filter: $0.octets(upTo: 9), isWanted: $0.bool()) })
    }
}

extension UnsubackFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(
            slot: r.integer(), generation: r.integer(), packetIdentifier: r.integer(),
            reasonCodes: r.octets(upTo: 9), filters: r.list { $0.octets(upTo: 9) })
    }
}

extension StreamMark {
    static func random(_ r: inout SplitMix64) -> Self { Self(place: r.integer(), offset: r.integer()) }
}

extension Hello: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        let (one, other): (UInt64, UInt64) = (r.integer(), r.integer())
        return Self(
            worker: r.integer(), generation: r.integer(), from: min(one, other), answered: max(one, other),
            marks: r.list { .random(&$0) })
    }
}

extension ResumeFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(
            connect: .random(&r), congested: r.bool(), outstanding: r.integer(), lastPacketIdentifier: r.integer(),
            window: r.list { $0.integer() },
            subscriptions: r.list {
                Subscription(identifier: $0.integer(), options: $0.integer(), filter: $0.octets(upTo: 9))
            }, note: r.octets(upTo: 9), list: r.octets(upTo: 9))
    }
}

extension NoteFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(slot: r.integer(), generation: r.integer(), kind: r.bool() ? .list : .more, bytes: r.octets(upTo: 9))
    }
}

extension ResumeEnd: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self(until: r.integer()) }
}

extension MarksFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self(r.list { .random(&$0) }) }
}

extension DeferredFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self(r.list { $0.integer() }) }
}

extension CompletedFrame: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self(r.list { $0.integer() }) }
}

extension TakeOver: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self(afterDeath: r.bool()) }
}

extension Retire: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self() }
}

extension StreamQuestion: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self(worker: r.integer()) }
}

extension StreamGo: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self(worker: r.integer()) }
}

extension Released: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(r.list { Closed.Slot(slot: $0.integer(), generation: $0.integer()) })
    }
}

extension Prepared: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self() }
}

extension Retired: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self { Self() }
}

extension StreamAnswer: RandomFrame {
    static func random(_ r: inout SplitMix64) -> Self {
        Self(worker: r.integer(), exists: r.bool(), taken: r.integer(), put: r.integer())
    }
}
