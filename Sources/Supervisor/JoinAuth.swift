// The channels between auth and the listeners, and what comes of reading the password file.
//
// These channels need not outlive the processes at their ends: what was asked is asked again. So the supervisor keeps neither end,
// and each side sees at once that the other is gone.

internal import CLinux
internal import Configuration
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages

extension Supervisor {
    private var authPlace: Place? { places.first { $0.role == .auth && !$0.isRetired } }

    /// Gives each listener that serves a channel to the process of auth that does, where it has none yet.
    func joinAuth(_ now: UInt64) {
        guard let auth = authPlace?.worker, auth.phase == .ready else { return }
        for listener in places.compactMap(\.worker)
        where listener.place.role == .listener && listener.phase == .ready && listener.auth != auth.number {
            do throws(SystemError) {
                try join(listener, toAuth: auth, now)
            } catch {
                // It has nothing to do without its channels: another one tries again.
                log(auth, cut: "\(error)")
                return end(auth, now)
            }
        }
    }

    private func join(_ listener: Worker, toAuth auth: Worker, _ now: UInt64) throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        // The kernel writes two descriptors into an array of two.
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw SystemError("create a channel") }
        defer { for end in ends { close(end) } }
        let serial = nextNumber()
        listener.auth = auth.number
        let place = listener.place
        send(
            ChannelOffer(peerRole: place.role, peerWorker: place.number, peerName: place.name, serial: serial),
            to: auth,
            descriptors: [ends[0]], now)
        send(
            ChannelOffer(
                peerRole: .auth, peerWorker: auth.place.number, peerName: auth.place.name, serial: serial),
            to: listener, descriptors: [ends[1]], now)
    }

    /// Whether one of two workers is auth, and the other a listener that has a channel to it.
    func isJoinedByAuth(_ one: Worker, _ other: Worker) -> Bool { one.auth == other.number || other.auth == one.number }

    // MARK: the password file

    /// How long auth may take to read it until a reload is not waited for any more: milliseconds.
    private static let readingLimit: UInt64 = 10_000

    /// Lets whoever has asked for a reload wait until auth has read the password file.
    /// - Returns: false where there is none.
    func awaitPasswords(for asker: Proof.Asker, _ now: UInt64) -> Bool {
        guard let place = authPlace, !place.isGivenUp else { return false }
        passwordAskers.append(asker)
        timers.set(.passwords, at: now + Self.readingLimit)
        return true
    }

    /// Auth has read the password file, or could not.
    func passwordsRead(_ state: AuthState, by worker: Worker, _ now: UInt64) {
        // One that is to replace another has nothing to go on with.
        if worker.place.successor === worker, !state.problem.isEmpty { return end(worker, now) }
        guard state.reading == passwordReading else { return }
        worker.place.problem = state.problem
        updateStatusLine()
        answerForPasswords(state.problem.isEmpty ? nil : state.problem, now)
        // A broker that begins with it would let nobody in. One that goes on under this supervisor has its clients.
        guard self.state == .starting, inheritance.estate == nil, !state.problem.isEmpty else { return }
        exitStatus = configurationStatus
        beginStop("the password file can not be used", now)
    }

    func passwordsExpired(_ now: UInt64) {
        answerForPasswords("auth has not read \(configuration.auth.passwordFile) in time", now)
    }

    private func answerForPasswords(_ problem: String?, _ now: UInt64) {
        timers.cancel(.passwords)
        let askers = passwordAskers
        passwordAskers = []
        answer(
            askers,
            problem.map {
                ReloadFailure(
                    reason: "\($0)\nThe former passwords stay in force; whatever else has changed is in force too.")
            }, now)
    }

    /// What keeps auth from its work, in words.
    var authProblem: String? {
        guard let place = authPlace else { return nil }
        if place.isGivenUp { return "auth can not work, see the log" }
        return place.problem.isEmpty ? nil : place.problem
    }
}
