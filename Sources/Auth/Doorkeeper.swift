// What becomes of each request: answered at once, put to the threads that hash, or a step of an exchange that goes on. A value
// without I/O; what is random is passed in. AuthWorker.swift does what it says.

internal import Messages
internal import Passwords

/// A connection, by the channel that its listener has.
struct Caller: Hashable, Sendable {
    let channel: UInt32
    let slot: UInt32
    let generation: UInt32
}

/// A request.
struct Question: Hashable, Sendable {
    let caller: Caller
    let serial: UInt32
}

struct Doorkeeper {
    /// What is to be done with a request.
    enum Action {
        case answer(AuthAnswer)
        /// A password is to be compared; then `compared` has the answer.
        case compare(HashPool.Task)
    }

    /// Who there is. nil: the password file can not be used, and nobody is let in by it.
    var directory: Directory?
    /// Passwords that may be compared for one channel at a time.
    var comparisonLimit: Int
    /// Exchanges of one channel that may be under way.
    var exchangeLimit: Int
    private(set) var counters = [UInt64](repeating: 0, count: AuthCounter.allCases.count)

    /// Passwords that are being compared, and whose they are said to be.
    private var comparisons: [Question: [UInt8]] = [:]
    /// Exchanges in which the client is to answer, and the requests that began them or went on with them last.
    private var exchanges: [Caller: (server: SCRAMServer, serial: UInt32)] = [:]
    /// How many of each there are, by channel.
    private var comparing: [UInt32: Int] = [:]
    private var exchanging: [UInt32: Int] = [:]

    init(directory: Directory?, comparisonLimit: Int, exchangeLimit: Int) {
        self.directory = directory
        self.comparisonLimit = comparisonLimit
        self.exchangeLimit = exchangeLimit
    }

    /// Takes a request.
    /// - Parameter random: new random bytes, at least 18.
    /// - Throws: where no listener would send it.
    mutating func received(
        _ request: AuthRequest, on channel: UInt32, random: [UInt8]
    ) throws(FrameError) -> Action {
        count(.requests)
        let caller = Caller(channel: channel, slot: request.slot, generation: request.generation)
        guard let directory else {
            end(caller)
            return refuse(request, 0x88, "the password file can not be used, see the log of auth")
        }
        switch request.kind {
        case .settled: throw FrameError("a request that asks nothing")
        case .password: return password(request, caller, directory)
        case .begin, .renew:
            guard request.method == Array(SCRAMKeys.method.utf8) else {
                // [MQTT-4.12.0-1]
                return refuse(request, 0x8C, "an authentication method that is not known")
            }
            end(caller)
            guard exchanging[channel, default: 0] < exchangeLimit else { return overload(request) }
            return proceed(request, caller, SCRAMServer(nonce: Base64.encoded(random)), directory)
        case .proceed:
            guard let exchange = exchanges[caller] else {
                return refuse(request, 0x88, "an exchange that another process had begun")
            }
            end(caller)
            return proceed(request, caller, exchange.server, directory)
        }
    }

    private mutating func password(_ request: AuthRequest, _ caller: Caller, _ directory: Directory) -> Action {
        let (verifier, isKnown) = directory.verifier(of: request.userName)
        guard let verifier else { return refuse(request, 0x86, Self.wrong) }
        guard comparing[caller.channel, default: 0] < comparisonLimit else { return overload(request) }
        let question = Question(caller: caller, serial: request.serial)
        comparisons[question] = request.userName
        comparing[caller.channel, default: 0] += 1
        return .compare(
            HashPool.Task(key: question, password: request.password, verifier: verifier, isKnown: isKnown))
    }

    private static let wrong = "a wrong password, or no such user"

    /// A password was compared.
    /// - Returns: nil where nobody waits for it any more.
    mutating func compared(_ question: Question, isRight: Bool) -> AuthAnswer? {
        guard let user = comparisons.removeValue(forKey: question) else { return nil }
        Self.leave(question.caller.channel, &comparing)
        count(isRight ? .accepted : .refused)
        return AuthAnswer(
            slot: question.caller.slot, generation: question.caller.generation, serial: question.serial,
            reasonCode: isRight ? 0 : 0x86, userName: user, data: [], reason: isRight ? "" : Self.wrong)
    }

    private mutating func proceed(
        _ request: AuthRequest, _ caller: Caller, _ server: SCRAMServer, _ directory: Directory
    ) -> Action {
        var server = server
        switch server.received(request.data, keys: directory.keys) {
        case .challenge(let data):
            exchanges[caller] = (server, request.serial)
            exchanging[caller.channel, default: 0] += 1
            count(.challenged)
            return answer(request, 0x18, server.user, data)
        case .accept(let data):
            count(.accepted)
            return answer(request, 0, server.user, data)
        case .refuse(let failure):
            let reason =
                switch failure {
                case .malformed: "not a message of \(SCRAMKeys.method)"
                case .wrong: Self.wrong
                case .noChannelBinding: "channel binding, which there is not"
                case .notAllowed: "a user who acts for another one"
                }
            return refuse(request, 0x87, reason, server.user)
        }
    }

    /// A connection is gone.
    mutating func forget(_ frame: AuthForget, on channel: UInt32) {
        let caller = Caller(channel: channel, slot: frame.slot, generation: frame.generation)
        if comparisons.removeValue(forKey: Question(caller: caller, serial: frame.serial)) != nil {
            Self.leave(channel, &comparing)
            count(.forgotten)
        }
        if exchanges[caller]?.serial == frame.serial { end(caller) }
    }

    /// A channel has ended, and with it everything that was asked on it.
    mutating func forget(channel: UInt32) {
        for question in comparisons.keys where question.caller.channel == channel {
            comparisons[question] = nil
            count(.forgotten)
        }
        for caller in exchanges.keys where caller.channel == channel { exchanges[caller] = nil }
        comparing[channel] = nil
        exchanging[channel] = nil
    }

    /// Whether somebody still waits for an answer.
    func awaits(_ question: Question) -> Bool { comparisons[question] != nil }

    /// Whether nothing is under way.
    var isIdle: Bool { comparisons.isEmpty && exchanges.isEmpty && comparing.isEmpty && exchanging.isEmpty }

    /// As the supervisor is told.
    var report: [UInt64] {
        var values = counters
        values[AuthCounter.waiting.rawValue] = UInt64(comparisons.count)
        values[AuthCounter.users.rawValue] = UInt64(directory?.count ?? 0)
        return values
    }

    // MARK: parts

    private mutating func count(_ counter: AuthCounter) { counters[counter.rawValue] &+= 1 }

    private static func leave(_ channel: UInt32, _ counts: inout [UInt32: Int]) {
        guard let count = counts[channel] else { return }
        counts[channel] = count > 1 ? count - 1 : nil
    }

    private mutating func end(_ caller: Caller) {
        if exchanges.removeValue(forKey: caller) != nil { Self.leave(caller.channel, &exchanging) }
    }

    private mutating func overload(_ request: AuthRequest) -> Action {
        count(.overloaded)
        return refuse(request, 0x89, "more at once than limits.authentications")
    }

    private mutating func refuse(
        _ request: AuthRequest, _ code: UInt8, _ reason: String, _ user: [UInt8] = []
    ) -> Action {
        count(.refused)
        return .answer(
            AuthAnswer(
                slot: request.slot, generation: request.generation, serial: request.serial, reasonCode: code,
                userName: user.isEmpty ? request.userName : user, data: [], reason: reason))
    }

    private func answer(_ request: AuthRequest, _ code: UInt8, _ user: [UInt8], _ data: [UInt8]) -> Action {
        .answer(
            AuthAnswer(
                slot: request.slot, generation: request.generation, serial: request.serial, reasonCode: code,
                userName: user, data: data, reason: ""))
    }
}
