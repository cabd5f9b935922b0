// The thread that publishes: it keeps a connection to RabbitMQ, writes what the loop gives it, and tells which of that RabbitMQ
// has. What it has not, it sends again on the next connection, before all that came later.

internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages

final class Publisher: Sendable {
    enum Order: Sendable {
        case publish([Outgoing])
        case settings(BridgeSettings)
        /// End when everything is confirmed.
        case finish
    }

    let orders: Mailbox<Order>
    private let news: Mailbox<News>

    init(_ settings: BridgeSettings, news: Mailbox<News>) throws(SystemError) {
        orders = try Mailbox()
        self.news = news
        let (orders, news) = (orders, news)
        _ = try Thread { PublisherRun(settings, orders, news).run() }
    }
}

private final class PublisherRun {
    private var settings: BridgeSettings
    private let orders: Mailbox<Publisher.Order>
    private let news: Mailbox<News>
    private var servers: Servers
    /// What is to be published, in order, and what was.
    private var waiting: [Outgoing] = []
    private var window = ConfirmWindow()
    /// Refused ones, until they are sent again.
    private var refused: [Outgoing] = []
    private var refusedUntil: UInt64 = 0
    /// How many of those that wait, from the first on, are sent one by one: one of them may be what RabbitMQ has closed the
    /// channel for. It would each time.
    private var suspects = 0
    /// What it has said then, and the first of those that are not sent again, while nobody is known to be the culprit.
    private var accusation: (reason: String, first: Outgoing?)?
    private var isIdle = false
    /// RabbitMQ has asked for a pause.
    private var isBlocked = false
    private var isFinishing = false
    /// There are other settings: milliseconds until which what is under way may come to its end before they apply.
    private var changesAt: UInt64?

    init(_ settings: BridgeSettings, _ orders: Mailbox<Publisher.Order>, _ news: Mailbox<News>) {
        self.settings = settings
        self.orders = orders
        self.news = news
        servers = Servers(settings)
    }

    /// Milliseconds after which a refused message is sent again.
    private static let refusalPause: UInt64 = 1000
    /// Messages that are written before answers are looked for.
    private static let batch = 256

    private var isNeeded: Bool { settings.isOutbound || !waiting.isEmpty }
    private var isDone: Bool { isFinishing && waiting.isEmpty && refused.isEmpty && window.count == 0 }

    func run() {
        while true {
            takeOrders()
            changesAt = nil
            if isDone { break }
            guard isNeeded else {
                news.post(.publisher(.idle))
                isIdle = true
                orders.wakeup.wait(milliseconds: -1)
                continue
            }
            if isIdle { news.post(.publisher(.connecting)) }
            isIdle = false
            do throws(ConnectionError) {
                let connection = try servers.connect("publishes")
                try connection.requestConfirms()
                servers.connected(now: monotonicMilliseconds())
                isBlocked = false
                news.post(.publisher(.up(connection.address)))
                try serve(connection)
                connection.close()
                if isDone { break }
            } catch {
                if error.isAboutMessage, !isFinishing {
                    exclude(error.description)
                    continue
                }
                news.post(.publisher(.down(error.description)))
                sendAgain(takeBack() + refused)
                refused = []
                // Nobody waits for the rest of it.
                if isFinishing { break }
                pause(servers.failed(now: monotonicMilliseconds()))
            }
        }
        news.post(.ended)
    }

    /// Until so many milliseconds have passed, or there is another configuration.
    private func pause(_ milliseconds: Int32) {
        let end = monotonicMilliseconds() + UInt64(milliseconds)
        while !isFinishing, changesAt == nil {
            let now = monotonicMilliseconds()
            guard now < end else { return }
            orders.wakeup.wait(milliseconds: Int32(end - now))
            takeOrders()
        }
    }

    // MARK: what is sent again, and what is not

    /// What is not confirmed, as it is sent again.
    private func takeBack() -> [Outgoing] { kept(window.reset()) }

    /// Of messages that RabbitMQ may have had those that it has to have.
    private func kept(_ messages: [Outgoing]) -> [Outgoing] {
        let others = messages.lazy.filter { !$0.isKept }.map(\.serial)
        if !others.isEmpty { news.post(.abandoned(Array(others))) }
        return messages.filter(\.isKept).map(Self.repeated)
    }

    /// Before all that waits.
    private func sendAgain(_ messages: [Outgoing]) {
        waiting = messages + waiting
        if suspects > 0 { suspects += messages.count }
    }

    /// RabbitMQ has closed the channel for one of the messages that it has not confirmed. The next connection is sent them one by
    /// one, until the culprit is found.
    private func exclude(_ reason: String) {
        let unconfirmed = window.reset()
        if unconfirmed.count == 1 {
            reject(unconfirmed[0], reason)
            sendAgain(refused)
        } else {
            let again = kept(unconfirmed) + refused
            accusation = (reason, unconfirmed.first { !$0.isKept })
            waiting = again + waiting
            suspects = max(suspects, again.count)
        }
        refused = []
        passed(0)
    }

    /// So many of the suspects have gone by.
    private func passed(_ count: Int) {
        suspects = max(0, suspects - count)
        guard suspects == 0, let (reason, first) = accusation else { return }
        // It was one of those that are not sent again.
        accusation = nil
        news.post(.rejected)
        Journal.log(
            .bridgeRejected,
            [
                .topic: first.map { String(decoding: $0.key, as: UTF8.self) } ?? "-",
                .reason: "this or another one of QoS 0: \(reason)",
            ])
    }

    /// Leaves out what RabbitMQ never takes.
    private func reject(_ message: Outgoing, _ reason: String) {
        accusation = nil
        if suspects > 0 { suspects -= 1 }
        news.post(.rejected)
        news.post(.abandoned([message.serial]))
        Journal.log(.bridgeRejected, [.topic: String(decoding: message.key, as: UTF8.self), .reason: reason])
    }

    private static func repeated(_ message: Outgoing) -> Outgoing {
        var message = message
        message.envelope.markDuplicate()
        return message
    }

    private func takeOrders() {
        for order in orders.take() {
            switch order {
            case .publish(let messages): waiting += messages
            case .settings(let new):
                settings = new
                servers = Servers(new)
                changesAt = monotonicMilliseconds() + Bridge.settlingTime
            case .finish: isFinishing = true
            }
        }
    }

    /// Until it is done, or there is another configuration.
    private func serve(_ connection: Connection) throws(ConnectionError) {
        while true {
            takeOrders()
            if isDone { return }
            try hear(connection)
            let now = monotonicMilliseconds()
            if let changesAt {
                if window.count == 0 || now >= changesAt {
                    sendAgain(takeBack())
                    return
                }
                orders.wakeup.wait(milliseconds: Int32(changesAt - now), or: connection.descriptor)
                continue
            }
            if !refused.isEmpty, now >= refusedUntil {
                sendAgain(refused)
                refused = []
            }
            if !waiting.isEmpty, !isBlocked, window.count < mostInFlight {
                try publish(connection)
                continue
            }
            orders.wakeup.wait(milliseconds: patience(now), or: connection.descriptor)
        }
    }

    /// Milliseconds until something is due, the heartbeat above all.
    private func patience(_ now: UInt64) -> Int32 {
        let heartbeat = settings.heartbeat == 0 ? Int32.max : Int32(settings.heartbeat) * 500
        return refused.isEmpty ? heartbeat : min(heartbeat, Int32(clamping: refusedUntil - min(now, refusedUntil)) + 1)
    }

    private var mostInFlight: Int { suspects > 0 ? 1 : Int(settings.inFlight) }

    private func publish(_ connection: Connection) throws(ConnectionError) {
        let part = waiting.prefix(min(Self.batch, mostInFlight - window.count))
        var count = 0
        connection.gather(true)
        defer {
            connection.gather(false)
            waiting.removeFirst(count)
        }
        for message in part {
            do throws(Unmappable) {
                try connection.check(message.envelope)
            } catch {
                count += 1
                leaveOut(message, error)
                continue
            }
            // It is in the window before it is written: it may be there if the connection breaks in the middle.
            window.append(message)
            count += 1
            try connection.publish(
                key: message.key, message.envelope, payload: message.payload, isMandatory: settings.isMandatory)
        }
    }

    private func leaveOut(_ message: Outgoing, _ error: Unmappable) {
        passed(1)
        news.post(.unmappable(1))
        news.post(.abandoned([message.serial]))
        Journal.log(
            .bridgeUnmappable, [.topic: String(decoding: message.key, as: UTF8.self), .reason: error.description])
    }

    private func hear(_ connection: Connection) throws(ConnectionError) {
        var confirmed: [UInt64] = []
        var unroutable = 0
        defer {
            if !confirmed.isEmpty {
                news.post(.confirmed(confirmed))
                passed(confirmed.count)
            }
            if unroutable > 0 { news.post(.unroutable(unroutable)) }
        }
        while let answer = try connection.answer() {
            switch answer {
            case .confirmed(let tag, let isMultiple):
                for message in window.settle(tag, isMultiple: isMultiple) { confirmed.append(message.serial) }
                servers.succeeded()
            case .refused(let tag, let isMultiple): keep(window.settle(tag, isMultiple: isMultiple))
            case .unroutable(let key, let reason):
                unroutable += 1
                Journal.log(
                    .bridgeUnroutable,
                    [.topic: String(decoding: key, as: UTF8.self), .reason: "\(settings.exchange): \(reason)"])
            case .blocked(let reason):
                isBlocked = reason != nil
                news.post(.publisher(reason.map { .down("it takes nothing: \($0)") } ?? .up(connection.address)))
            }
        }
    }

    /// RabbitMQ has refused messages (basic.nack): a queue is full, or has failed.
    private func keep(_ messages: [Outgoing]) {
        guard !messages.isEmpty else { return }
        news.post(.refused(messages.count))
        Journal.log(
            .bridgeRefused,
            [.topic: String(decoding: messages[0].key, as: UTF8.self), .count: "\(messages.count)"])
        passed(messages.count)
        refused += kept(messages)
        refusedUntil = monotonicMilliseconds() + Self.refusalPause
    }
}

extension Envelope {
    /// It may have been sent before.
    fileprivate mutating func markDuplicate() {
        let name = Array("x-mqtt-dup".utf8)
        guard let index = headers.firstIndex(where: { $0.name == name }) else { return }
        headers[index].value = .boolean(true)
    }
}
