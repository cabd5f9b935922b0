// What systemd is told: ready, the status line, that the broker lives, that it stops. Without systemd nothing happens.

internal import Configuration
internal import Messages
internal import Systemd

extension Supervisor {
    /// How long a killed process may take to be gone before the supervisor itself no longer counts as well.
    static let deathLimit: UInt64 = 10_000

    /// How much longer a start or a stop that goes on may take, said with each heartbeat.
    private static let `extension` = Duration.seconds(15)

    func beginNotifying(_ now: UInt64) {
        guard let interval = WatchdogInterval.read() else { return }
        watchdogInterval = UInt64(interval.milliseconds)
        timers.set(.watchdog, at: now)
    }

    func notifyReady() {
        Notify.send(.ready)
        updateStatusLine()
    }

    func notifyStopping() {
        Notify.send(.stopping, .status("stopping"))
    }

    /// `2 listeners, 17 connections, 120 messages/s in, 980 out`, and what is not as it should be.
    func updateStatusLine() {
        guard state == .ready else { return }
        func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
        let rate = messageRate.perSecond
        var line = "\(count(ports.count, "listener")), \(count(openConnections, "connection")), "
        line += "\(rate.received) messages/s in, \(rate.sent) out"
        let missing = places.count { $0.worker?.phase != .ready }
        if missing > 0 { line += ", \(count(missing, "worker")) not ready" }
        if let problem { line += "; \(problem)" }
        say(line)
    }

    private func say(_ line: String) {
        guard line != statusLine, Notify.sendAtOnce(.status(line)) || !Notify.isListening else { return }
        statusLine = line
    }

    func noteMessageRate(_ now: UInt64) {
        let totals = listenerTotals()
        messageRate.note(
            received: totals[ListenerCounter.messagesReceived.rawValue],
            sent: totals[ListenerCounter.messagesSent.rawValue], now: now)
    }

    /// A start or a stop has limits of its own, which may be longer than the unit's (`supervisor.start_timeout`,
    /// `stop_timeout`): while this loop keeps to them, systemd waits.
    func extendTimeout(_ now: UInt64) {
        guard state != .ready, isWithinDeathLimit(now) else { return }
        Notify.sendAtOnce(.extendTimeout(Self.extension))
        let waiting = places.filter { $0.worker.map { $0.phase != .ready } ?? true }.map(\.label)
        switch state {
        case .starting: say("starting" + (waiting.isEmpty ? "" : ": \(waiting.joined(separator: ", ")) not ready"))
        case .parking: say("restarting")
        case .stopping: say("stopping: \(workers.count) processes left")
        case .ready: break
        }
    }

    /// Whether nobody takes too long to be gone that was killed.
    private func isWithinDeathLimit(_ now: UInt64) -> Bool {
        Self.isWithinDeathLimit(killed: workers.values.map(\.killed), now)
    }

    /// The rule of it.
    /// - Parameter killed: when each worker was killed that is still there, in milliseconds; nil for those that live.
    static func isWithinDeathLimit(killed: [UInt64?], _ now: UInt64) -> Bool {
        killed.allSatisfy { $0.map { now < $0 + deathLimit } ?? true }
    }

    /// What `systemctl status` shows of a broker that does not start.
    package static func notifyFailure(_ reason: String, status: Int32, error: Int32? = nil) {
        Notify.send(.status("can not start: \(reason)"), .exitStatus(status))
        if let error { Notify.send(.error(error)) }
    }

    /// The supervisor lives while its loop turns, which this call shows, and while every worker answers or is within a
    /// deadline. Those that are starting, stopping or backing off have one of their own, and those that do not answer
    /// are killed; so what is left are processes that even a kill does not end.
    func feedWatchdog(_ now: UInt64) {
        guard let watchdogInterval else { return }
        timers.set(.watchdog, at: now + watchdogInterval / 2)
        if isWithinDeathLimit(now) { Notify.sendAtOnce(.watchdog) }
    }
}
