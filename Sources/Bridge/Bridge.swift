// The bridge: a durable session of the router on one side, RabbitMQ on the other. Three threads: this loop, which speaks with
// the supervisor and the router and never waits for either, and one for each connection to RabbitMQ, which may wait.
//
// Nothing is lost between the two: what the router delivers is acknowledged to it when RabbitMQ has confirmed it, and what
// RabbitMQ delivers is acknowledged to that when the router has taken it. Whoever of the three dies, the others have it
// still, and send it again.

internal import Channel
internal import EventLoop
internal import Journal
internal import Messages

package final class Bridge {
    let welcome: Welcome
    var settings: BridgeSettings
    var translator: Translator
    var control: ControlChannel
    var poller: Poller
    let publisher: Publisher
    let consumer: Consumer
    let news: Mailbox<News>
    var guardian = Guardian()

    let router: RouterLink
    /// Whether the supervisor has said that this process serves.
    var serves = false
    var counters = [UInt64](repeating: 0, count: BridgeCounter.allCases.count)

    // MARK: to RabbitMQ
    var publisherState = LinkState.connecting
    var outbound = Outbound()
    /// What the router has is more than RabbitMQ takes, or RabbitMQ is not there.
    var isCongested = true

    // MARK: from RabbitMQ
    var consumerState = LinkState.connecting
    var inbound = Inbound()

    /// What the journal has said of the connections.
    var told = Told()
    /// Messages for RabbitMQ that the router keeps, as the supervisor has said last.
    var waiting: UInt64 = 0
    /// What the supervisor was told last.
    var problem: String?
    /// Milliseconds at which a process that is to end does, whatever is left.
    var endsAt: UInt64?
    /// What it says then.
    var farewell: [UInt8] = []
    var threads = 2
    var isOver = false

    init(welcome: Welcome, settings: BridgeSettings, control: consuming ControlChannel) throws(SystemError) {
        self.welcome = welcome
        self.settings = settings
        translator = Translator(settings)
        news = try Mailbox()
        poller = try Poller(eventsPerTurn: 16)
        try poller.add(control.descriptor, .readable, tag: Tag.control)
        try poller.add(news.wakeup.descriptor, .readable, tag: Tag.news)
        self.control = control
        router = RouterLink(place: welcome.worker, generation: welcome.generation)
        publisher = try Publisher(settings, news: news)
        consumer = try Consumer(settings, news: news)
        count(.connected, to: 0)
    }

    enum Tag {
        static let control: UInt64 = 0
        static let news: UInt64 = 1
        static let router: UInt64 = 2
    }

    func count(_ counter: BridgeCounter, by amount: Int = 1) { counters[counter.rawValue] &+= UInt64(amount) }

    func count(_ counter: BridgeCounter, to value: Int) { counters[counter.rawValue] = UInt64(value) }

    /// Turns until the supervisor says that it is over.
    func run() throws(SystemError) {
        reportState()
        while !isOver {
            let ready = try poller.wait(milliseconds: endsAt == nil ? 1000 : 10)
            for index in 0..<ready {
                switch poller.tag(index) {
                case Tag.control: hearSupervisor()
                case Tag.news: hearThreads()
                default: attend(poller.readiness(index))
                }
            }
            router.flush(&poller)
            if guardian.isMissing(now: monotonicMilliseconds()) { return }
            if let endsAt, threads == 0 || monotonicMilliseconds() >= endsAt { leave() }
            if control.hasPending { _ = try? control.flush() }
        }
        Journal.flush()
    }
}
