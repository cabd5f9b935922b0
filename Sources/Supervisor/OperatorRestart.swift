// `apusctl restart`: replaces workers one after the other.

internal import Control
internal import Messages

extension Supervisor {
    func beginRestart(_ name: String, for connection: Operator, _ now: UInt64) {
        let wanted = places.filter { $0.label == name || $0.role.name == name }
        guard state == .ready else {
            return connection.answer(.error(Refusal(.unavailable, "the broker is \(state.rawValue), try again")))
        }
        guard !wanted.isEmpty else {
            let known = places.map(\.label).joined(separator: ", ")
            return connection.answer(
                .error(Refusal(.noSuchWorker, "there is no worker \(name.prefix(64)), only \(known)")))
        }
        connection.job = .restart(places: wanted.map(\.number))
        replaceNext(for: connection, now)
    }

    /// Goes on with the first place that an operator wants to have replaced.
    private func replaceNext(for connection: Operator, _ now: UInt64) {
        guard case .restart(let numbers) = connection.job else { return }
        guard let number = numbers.first else { return finish(connection, .end(next: nil)) }
        guard let place = places.first(where: { $0.number == number }) else {
            return finish(connection, .error(Refusal(.restartFailed, "the worker was removed meanwhile")))
        }
        if place.askers.isEmpty, let reason = replace(place, now) {
            return finish(connection, .error(Refusal(.restartFailed, "\(place.label) was not replaced: \(reason)")))
        }
        place.askers.append(connection.number)
    }

    /// Tells the operators that wait for it what has become of a replacement.
    func answerAskers(_ place: Place, _ failure: String?, _ now: UInt64) {
        let askers = place.askers
        place.askers = []
        for number in askers {
            guard let connection = operators[number], case .restart(let numbers) = connection.job else { continue }
            if let failure {
                finish(connection, .error(Refusal(.restartFailed, "\(place.label) was not replaced: \(failure)")))
            } else {
                connection.job = .restart(places: Array(numbers.dropFirst()))
                replaceNext(for: connection, now)
            }
            serve(connection, now)
        }
    }
}
