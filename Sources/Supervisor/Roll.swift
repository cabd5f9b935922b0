// Workers whose program on disk is newer are replaced, one by one, each a little after the former is ready. Where one fails the
// worker that it was to replace serves on, the others are left as they are, and the reason stands in the log, in the
// status line and in the answer to `apusctl status` until the next roll.

internal import EventLoop
internal import Journal
internal import Messages

extension Supervisor {
    /// Replaces what is outdated; nothing where a roll is under way.
    func beginRoll(_ now: UInt64) {
        guard state == .ready, rolling.isEmpty else { return }
        roll(places.filter { $0.worker.map(isOutdated) ?? false }, now)
    }

    /// Replaces the workers of these places, the router's first, as they are listed.
    func roll(_ places: [Place], _ now: UInt64) {
        degradation = nil
        rolling = places.map(\.number)
        if !rolling.isEmpty { Journal.log(.rolling, [.count: "\(rolling.count)"]) }
        continueRoll(now)
    }

    /// Replaces the next one.
    func continueRoll(_ now: UInt64) {
        while let number = rolling.first {
            guard let place = places.first(where: { $0.number == number }), !place.isRetired else {
                rolling.removeFirst()
                continue
            }
            if let reason = replace(place, now) { endRoll(place, reason, now) }
            return
        }
        answerUpgraders(now)
    }

    /// A worker serves: was it the one whose turn it was?
    func rollGoesOn(_ place: Place, _ now: UInt64) {
        guard rolling.first == place.number, !place.isReplacing else { return }
        rolling.removeFirst()
        guard !rolling.isEmpty else { return continueRoll(now) }
        timers.set(.roll, at: now + Self.betweenReplacements)
    }

    /// Milliseconds in which clients catch up with what has waited for the one, before they have to wait for the next.
    private static var betweenReplacements: UInt64 { 300 }

    /// A replacement has failed.
    func endRoll(_ place: Place, _ reason: String, _ now: UInt64) {
        guard rolling.first == place.number else { return }
        rolling = []
        degradation = "\(place.label) was not upgraded: \(reason)"
        Journal.log(
            .upgradeFailed, [.file: path(place.role.entry.executable), .reason: degradation!], of: place.fields)
        updateStatusLine()
        answerUpgraders(now)
    }
}
