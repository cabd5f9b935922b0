// Reads the configuration again and applies what a running broker can take over: times, most
// limits, who may connect and from where, listeners that come and go. A file that is refused, or a new port that can not be opened,
// leaves everything as it was. Asked for by SIGHUP and by `apusctl reload`.

internal import Configuration
internal import Control
internal import EventLoop
internal import Journal
package import Logging
internal import Messages
internal import Systemd

/// Why a reload has changed nothing.
struct ReloadFailure: Error {
    let reason: String
}

extension Configuration {
    /// The names of all settings in which `other` differs.
    fileprivate func differences(from other: Configuration) -> [String] {
        let changes = other.changes(to: self)
        return changes.applied + changes.needsRestart
    }
}

extension Supervisor {
    /// - Parameter asker: made of what has changed.
    /// - Returns: what has changed; and whether the answer comes later, because a newer program shows first what it can.
    func reload(
        _ now: UInt64, for asker: (ReloadReport) -> Proof.Asker
    ) throws(ReloadFailure) -> (report: ReloadReport, isAnsweredLater: Bool) {
        var isAnsweredLater = false
        if state == .ready { Notify.send(.reloading) }
        defer { if state == .ready, !isAnsweredLater { Notify.send(.ready) } }
        let new: Configuration
        do throws(ConfigurationErrors) {
            new = try Configuration.load(path: configurationPath, environment: environment)
        } catch {
            for problem in error.problems { Journal.log(.configurationRefused, [.error: problem.description]) }
            throw ReloadFailure(reason: error.description)
        }
        let next = configuration.applying(new)
        let report = ReloadReport(
            applied: next.differences(from: configuration), needsRestart: new.differences(from: next))

        // All that can fail, first.
        var opened: [Port] = []
        for listener in next.listeners where !configuration.listeners.contains(where: { $0.name == listener.name }) {
            do throws(PortFailure) {
                // A listener that was removed just now still holds its places.
                guard !ports.contains(where: { $0.listener.name == listener.name }) else {
                    throw PortFailure(
                        listener: listener.name, address: listener.bind.description,
                        reason: "the former \(listener.name) is still stopping, try again")
                }
                opened.append(try openPort(listener, others: next.listeners))
            } catch {
                for port in opened { port.closeAll() }
                throw ReloadFailure(reason: error.description)
            }
        }
        apply(next, adding: opened, now)

        let words = report.applied.isEmpty ? "nothing has changed" : report.applied.joined(separator: ", ")
        Journal.log(.configurationReloaded, [.reason: words])
        if !report.needsRestart.isEmpty {
            Journal.log(.configurationNeedsRestart, [.key: report.needsRestart.joined(separator: ", ")])
        }
        isAnsweredLater = try beginUpgrade(for: asker(report), now) || awaitPasswords(for: asker(report), now)
        return (report, isAnsweredLater)
    }

    private func apply(_ next: Configuration, adding opened: [Port], _ now: UInt64) {
        let removed = ports.filter { port in !next.listeners.contains { $0.name == port.listener.name } }
        configuration = next
        Journal.configure(level: next.log.level.journal, connections: next.log.connections)
        for port in removed {
            shut(port)
            for place in port.places { retire(place, now) }
        }
        for port in opened {
            add(port)
            for place in port.places { fill(place, now) }
        }
        passwordReading &+= 1
        for worker in workers.values { sendSettings(to: worker, now) }
        for entry in roleTable where entry.count == .forBridge || entry.count == .forAuthentication {
            keep(entry, now)
        }
    }

    /// Begins or ends the one worker of a role that the configuration has come to want, or does not want any more.
    private func keep(_ entry: RoleEntry, _ now: UInt64) {
        let place = places.first { $0.role == entry.role && !$0.isRetired }
        if let place, !entry.isWanted(by: configuration) {
            retire(place, now)
        } else if place == nil, entry.isWanted(by: configuration) {
            let place = makePlace(entry.role, entry.role.name)
            places.insert(place, at: 1)
            fill(place, now)
        }
    }

    func reloadOnSignal(_ now: UInt64) {
        guard state == .ready else { return }
        // A failure has been logged.
        _ = try? reload(now) { _ in .signal }
    }
}

extension Configuration.LogLevel {
    /// The level of the log library that has the same name.
    package var journal: Logger.Level { Logger.Level(rawValue: rawValue) ?? .info }
}
