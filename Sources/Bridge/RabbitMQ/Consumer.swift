// The thread that consumes: it keeps a connection to RabbitMQ with the queue declared and bound, hands its messages to the loop,
// and acknowledges those that the router has. What it has not acknowledged RabbitMQ sends again.

internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages

final class Consumer: Sendable {
    enum Order: Sendable {
        /// The process serves: its predecessor takes nothing more. Of two that consume a queue each gets a part, and what
        /// the one gives back would come behind what the other has.
        case begin
        /// Deliveries of an epoch that the router has, or has refused, now or for good.
        case settle([(tag: UInt64, outcome: Outcome)], epoch: UInt64)
        /// The router does not know any more what it was sent: RabbitMQ is to send all that is not settled again.
        case startOver(epoch: UInt64)
        /// What clients of a cluster's node subscribe to.
        case interests([Bindings.Change], begins: Bool, isWhole: Bool)
        case settings(BridgeSettings)
        /// Take nothing more, and end when everything is settled.
        case finish
    }

    enum Outcome: Sendable {
        case taken
        /// Not now: it goes back into the queue after a while.
        case refusedForNow
        /// Never.
        case refused
    }

    let orders: Mailbox<Order>
    private let news: Mailbox<News>

    init(_ settings: BridgeSettings, news: Mailbox<News>) throws(SystemError) {
        orders = try Mailbox()
        self.news = news
        let (orders, news) = (orders, news)
        _ = try Thread { ConsumerRun(settings, orders, news).run() }
    }
}

private final class ConsumerRun {
    private var settings: BridgeSettings
    private var translator: Translator
    private let orders: Mailbox<Consumer.Order>
    private let news: Mailbox<News>
    private var servers: Servers
    private var ledger = DeliveryLedger()
    private var bindings: Bindings
    /// What the loop counts: another one begins with each connection, and whenever it starts over.
    private var epoch: UInt64 = 0
    private var settled: [(tag: UInt64, outcome: Consumer.Outcome)] = []
    private var postponed: [(tag: UInt64, until: UInt64)] = []
    private var startsOver = false
    private var isIdle = false
    private var hasBegun = false
    private var isFinishing = false
    /// There are other settings: milliseconds until which what is under way may come to its end before they apply.
    private var changesAt: UInt64?

    init(_ settings: BridgeSettings, _ orders: Mailbox<Consumer.Order>, _ news: Mailbox<News>) {
        self.settings = settings
        self.orders = orders
        self.news = news
        translator = Translator(settings)
        servers = Servers(settings)
        bindings = Bindings(limit: Int(settings.bindings), always: [Self.ofTheBrokers])
    }

    /// Milliseconds after which a message that the router did not want now goes back into the queue.
    private static let refusalPause: UInt64 = 1000
    /// By which brokers of a cluster speak with each other.
    private static let ofTheBrokers = "$apus/#"
    /// Messages that are handed over together.
    private static let batch = 256

    func run() {
        while true {
            takeOrders()
            changesAt = nil
            if isFinishing { break }
            guard hasBegun else {
                orders.wakeup.wait(milliseconds: -1)
                continue
            }
            guard !settings.inbound.isEmpty || settings.isCluster else {
                news.post(.consumer(.idle))
                isIdle = true
                orders.wakeup.wait(milliseconds: -1)
                continue
            }
            if isIdle { news.post(.consumer(.connecting)) }
            isIdle = false
            do throws(ConnectionError) {
                let connection = try servers.connect("consumes")
                try connection.consume(settings, bindings: configuredKeys())
                servers.connected(now: monotonicMilliseconds())
                begin()
                bindings.begin()
                news.post(.consumer(.up(connection.address)))
                try serve(connection)
                connection.close()
            } catch {
                news.post(.consumer(.down(error.description)))
                if isFinishing { break }
                pause(servers.failed(now: monotonicMilliseconds()))
            }
        }
        news.post(.ended)
    }

    private func configuredKeys() throws(ConnectionError) -> [[UInt8]] {
        var keys: [[UInt8]] = []
        for filter in settings.inbound {
            do throws(Unmappable) {
                keys.append(try translator.keys.binding(ofFilter: filter))
            } catch {
                throw ConnectionError(error.description)
            }
        }
        return keys
    }

    /// Nothing is outstanding: RabbitMQ sends everything that is not acknowledged.
    private func begin() {
        epoch += 1
        ledger = DeliveryLedger()
        settled = []
        postponed = []
        startsOver = false
    }

    /// Operations on bindings between two looks at what has come.
    private static let bindingsAtOnce = 32

    private func bind(_ connection: Connection) throws(ConnectionError) {
        for _ in 0..<Self.bindingsAtOnce {
            guard let operation = bindings.next() else { return }
            try connection.perform(operation, queue: settings.queue, translator.keys)
        }
    }

    private func pause(_ milliseconds: Int32) {
        let end = monotonicMilliseconds() + UInt64(milliseconds)
        while !isFinishing, changesAt == nil {
            let now = monotonicMilliseconds()
            guard now < end else { return }
            orders.wakeup.wait(milliseconds: Int32(end - now))
            takeOrders()
        }
    }

    private func takeOrders() {
        for order in orders.take() {
            switch order {
            case .begin: hasBegun = true
            case .settle(let list, let of): if of == epoch { settled += list }
            case .interests(let changes, let begins, let isWhole):
                let tookEverything = bindings.takesEverything
                bindings.hear(changes, begins: begins, isWhole: isWhole)
                if bindings.takesEverything, !tookEverything {
                    Journal.log(
                        .limitReached,
                        [
                            .limit: "bridge.rabbitmq.bindings",
                            .reason: "\(bindings.count) filters are not bound one by one: this node takes everything",
                        ])
                }
            case .startOver(let of): if of == epoch { startsOver = true }
            case .settings(let new):
                settings = new
                translator = Translator(new)
                servers = Servers(new)
                bindings.limit = Int(new.bindings)
                changesAt = monotonicMilliseconds() + Bridge.settlingTime
            case .finish: isFinishing = true
            }
        }
    }

    /// Until it is to end and everything is settled, or there is another configuration.
    private func serve(_ connection: Connection) throws(ConnectionError) {
        while true {
            takeOrders()
            if startsOver {
                // Up to the last one (tag 0): RabbitMQ puts them where they were.
                if !ledger.isEmpty { try connection.refuse(0, isMultiple: true, returns: true) }
                begin()
            }
            try settle(connection)
            if settings.isCluster { try bind(connection) }
            let now = monotonicMilliseconds()
            let isEnding = isFinishing || changesAt != nil
            if isEnding, ledger.isEmpty || changesAt.map({ now >= $0 }) == true { return }
            if !isEnding, try take(connection) || !bindings.isEmpty { continue }
            // Whoever takes nothing more does not look at the socket either.
            orders.wakeup.wait(milliseconds: patience(now), or: isEnding ? -1 : connection.descriptor)
        }
    }

    /// Milliseconds until something is due, the heartbeat above all.
    private func patience(_ now: UInt64) -> Int32 {
        let heartbeat = settings.heartbeat == 0 ? UInt64(Int32.max) : UInt64(settings.heartbeat) * 500
        let due = [postponed.first?.until, changesAt].compactMap { $0 }.min() ?? .max
        return Int32(clamping: min(heartbeat, due - min(now, due) + 1))
    }

    private func settle(_ connection: Connection) throws(ConnectionError) {
        let now = monotonicMilliseconds()
        for (tag, outcome) in settled {
            switch outcome {
            case .taken: ledger.finish(tag)
            case .refused:
                ledger.remove(tag)
                try connection.refuse(tag, returns: false)
            case .refusedForNow: postponed.append((tag, now + Self.refusalPause))
            }
        }
        settled.removeAll(keepingCapacity: true)
        while let first = postponed.first, first.until <= now {
            postponed.removeFirst()
            ledger.remove(first.tag)
            try connection.refuse(first.tag, returns: true)
        }
        if let tag = ledger.takeDone() { try connection.acknowledge(tag, isMultiple: true) }
    }

    /// Hands what has come to the loop.
    /// - Returns: whether there was something.
    private func take(_ connection: Connection) throws(ConnectionError) -> Bool {
        var received: [Incoming] = []
        var (looped, unmappable, skipped) = (0, 0, 0)
        defer {
            if !received.isEmpty { news.post(.received(received, epoch: epoch)) }
            if looped > 0 { news.post(.looped(looped)) }
            if unmappable > 0 { news.post(.unmappable(unmappable)) }
            if skipped > 0 { news.post(.skipped(skipped)) }
        }
        var count = 0
        while count < Self.batch, let delivery = try connection.delivery() {
            count += 1
            ledger.add(delivery.tag)
            do throws(Unmappable) {
                let message = try translator.message(
                    key: delivery.key, delivery.envelope, payload: delivery.payload,
                    isRedelivered: delivery.isRedelivered)
                guard let message else {
                    looped += 1
                    ledger.finish(delivery.tag)
                    continue
                }
                // At most once: the first time, somebody may have heard it.
                if message.qos == 0, delivery.isRedelivered {
                    skipped += 1
                    ledger.finish(delivery.tag)
                    continue
                }
                received.append(Incoming(tag: delivery.tag, message: message))
            } catch {
                unmappable += 1
                Journal.log(
                    .bridgeUnmappable,
                    [.topic: String(decoding: delivery.key, as: UTF8.self), .reason: error.description])
                ledger.remove(delivery.tag)
                try connection.refuse(delivery.tag, returns: false)
            }
        }
        if count > 0 { servers.succeeded() }
        return count > 0
    }
}
