// auth: answers who may connect, and as whom. The only process that reads the password file. A loop like the others, which never
// waits: for the supervisor, and for the listeners that ask. Threads beside it compare passwords with hashes.

internal import Channel
internal import EventLoop
internal import Journal
internal import Messages
internal import Passwords

package final class AuthWorker {
    let welcome: Welcome
    var settings: AuthSettings
    var control: ControlChannel
    var poller: Poller
    let pool: HashPool
    var doorkeeper: Doorkeeper
    /// By serial.
    var links: [UInt32: ListenerLink] = [:]
    var guardian = Guardian()
    var isOver = false

    init(welcome: Welcome, settings: AuthSettings, control: consuming ControlChannel) throws(SystemError) {
        self.welcome = welcome
        self.settings = settings
        doorkeeper = Doorkeeper(
            directory: nil, comparisonLimit: Int(settings.requests), exchangeLimit: Int(settings.connections))
        pool = try HashPool()
        try pool.grow(to: Int(settings.threads))
        poller = try Poller(eventsPerTurn: 64)
        try poller.add(control.descriptor, .readable, tag: Tag.control)
        try poller.add(pool.news.descriptor, .readable, tag: Tag.news)
        self.control = control
    }

    enum Tag {
        static let control = UInt64.max
        static let news = UInt64.max - 1
    }

    /// Turns until the supervisor says that it is over.
    func run() throws(SystemError) {
        while !isOver {
            let ready = try poller.wait(milliseconds: 1000)
            for index in 0..<ready {
                switch poller.tag(index) {
                case Tag.control: hearSupervisor()
                case Tag.news: hearThreads()
                case let serial:
                    if let link = links[UInt32(truncatingIfNeeded: serial)] { attend(link, poller.readiness(index)) }
                }
            }
            for link in links.values { flush(link) }
            if guardian.isMissing(now: monotonicMilliseconds()) { return }
            if control.hasPending { _ = try? control.flush() }
        }
        Journal.flush()
    }

    /// Reads the password file. Where it can not be used, what was read before stays in force.
    func readPasswords() {
        var problem = ""
        do throws(PasswordFile.Problems) {
            let directory = Directory(try PasswordFile.read(settings.passwordFile))
            doorkeeper.directory = directory
            Journal.log(.passwordsRead, [.file: settings.passwordFile, .count: "\(directory.count)"])
        } catch {
            problem = error.description
            for line in error.problems.prefix(10) { Journal.log(.passwordsRefused, [.error: line.description]) }
        }
        // A control frame has 64 KiB, and ten lines are told.
        let told = String(problem.prefix(4096))
        _ = try? control.send(AuthState(reading: settings.reading, problem: told).encoded())
    }

    /// What the threads have found out.
    private func hearThreads() {
        for result in pool.results() {
            guard let answer = doorkeeper.compared(result.key, isRight: result.isRight) else { continue }
            links[result.key.caller.channel]?.say(answer)
        }
    }
}
