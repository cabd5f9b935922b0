// `apusctl upgrade`: goes over to newer programs, and at last, asked for on its own, to the layout that they have brought.
// Until then the older programs can come back: what passes between processes is as they know it.

internal import Control
internal import EventLoop
internal import Journal
internal import Messages

extension Supervisor {
    /// Begins what an operator asks for; the answer comes when each worker is replaced, or one has failed.
    func beginUpgrade(commit: Bool, for connection: Operator, _ now: UInt64) {
        do throws(Refusal) {
            guard state == .ready else { throw Refusal(.unavailable, "the broker is \(state.rawValue), try again") }
            if commit {
                try beginCommit(now)
            } else {
                do throws(ReloadFailure) {
                    _ = try beginUpgrade(for: .upgrade(connection.number), now)
                } catch {
                    throw Refusal(.upgradeFailed, error.reason)
                }
            }
            connection.job = .upgrade
            answerUpgraders(now)
        } catch {
            connection.answer(.error(error))
        }
    }

    /// Goes over to the newest layout. Workers that write the former one are replaced.
    private func beginCommit(_ now: UInt64) throws(Refusal) {
        guard rolling.isEmpty else { throw Refusal(.unavailable, "workers are being replaced, try again") }
        if let place = places.first(where: { $0.worker?.phase != .ready }) {
            throw Refusal(.unavailable, "\(place.label) is not ready, try again")
        }
        let runsAnother = places.first { place in
            place.worker.map { isOutdated($0) || $0.program?.version != apusVersion } ?? false
        }
        if let runsAnother {
            throw Refusal(
                .upgradeFailed,
                "\(runsAnother.label) runs another program than this supervisor or than that on disk: "
                    + "run apusctl upgrade first")
        }
        Layout.inForce = Layout.newest
        let former = places.filter { $0.worker?.program?.layout != Layout.newest }
        guard !former.isEmpty else { return }
        Journal.log(.layoutCommitted, [.version: "\(Layout.newest)"])
        roll(former, now)
    }

    /// Whether a worker runs another program than that which is on disk now. One that has not said yet what it runs was started a moment ago.
    func isOutdated(_ worker: Worker) -> Bool {
        worker.program.map { isOutdated($0.file, path(worker.place.role.entry.executable)) } ?? false
    }

    /// Answers those who wait for the end of a roll, if it has come.
    func answerUpgraders(_ now: UInt64) {
        guard rolling.isEmpty, !goesOver, proof == nil else { return }
        for connection in operators.values {
            guard case .upgrade = connection.job else { continue }
            finish(connection, degradation.map { .error(Refusal(.upgradeFailed, $0)) } ?? .end(next: nil))
            serve(connection, now)
        }
    }
}
