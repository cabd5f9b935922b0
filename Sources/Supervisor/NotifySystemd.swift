// What systemd is told: ready, the status line, that the broker lives, that it stops. Without systemd nothing happens.

internal import Configuration
internal import Systemd

extension Supervisor {
    /// How long a killed process may take to be gone before the supervisor itself no longer counts as well.
    private static let deathLimit: UInt64 = 10_000

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

    /// `2 listeners, 17 connections`
    func updateStatusLine() {
        guard state == .ready else { return }
        func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
        var line = "\(count(ports.count, "listener")), \(count(openConnections, "connection"))"
        let missing = places.count { $0.worker?.phase != .ready }
        if missing > 0 { line += ", \(count(missing, "worker")) not ready" }
        if let problem = degradation ?? storeProblem { line += "; \(problem)" }
        guard line != statusLine else { return }
        statusLine = line
        Notify.send(.status(line))
    }

    /// The supervisor lives while its loop turns, which this call shows, and while every worker answers or is within a
    /// deadline. Those that are starting, stopping or backing off have one of their own, and those that do not answer
    /// are killed; so what is left are processes that even a kill does not end.
    func feedWatchdog(_ now: UInt64) {
        guard let watchdogInterval else { return }
        timers.set(.watchdog, at: now + watchdogInterval / 2)
        if workers.values.allSatisfy({ $0.killed.map { now < $0 + Self.deathLimit } ?? true }) {
            Notify.send(.watchdog)
        }
    }
}
