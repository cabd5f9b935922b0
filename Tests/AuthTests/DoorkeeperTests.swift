// What becomes of requests: one by one, and in random histories against what must hold of all of them.

import Messages
import Passwords
import Testing

@testable import Auth

@Suite struct DoorkeeperTests {
    private static let keys = SCRAMKeys(password: Array("pencil".utf8), salt: [1, 2, 3])

    private static func directory() throws -> Directory {
        let text = "alice:\(PasswordHashes.yescrypt)\nbob:\(keys.description)\n"
        return Directory(try PasswordFile(Array(text.utf8), file: "passwd"))
    }

    private func request(
        _ kind: AuthRequest.Kind, user: String = "alice", slot: UInt32 = 1, serial: UInt32 = 1, method: String = "",
        data: String = ""
    ) -> AuthRequest {
        AuthRequest(
            slot: slot, generation: 1, serial: serial, kind: kind, peer: PeerAddress(ipv4: 1, port: 2), version: 5,
            clientIdentifier: [], userName: Array(user.utf8), password: Array("secret".utf8),
            method: Array(method.utf8), data: Array(data.utf8))
    }

    private func answer(_ action: Doorkeeper.Action) -> AuthAnswer? {
        if case .answer(let answer) = action { answer } else { nil }
    }

    private func begin(_ user: String = "bob", slot: UInt32 = 1, serial: UInt32 = 1) -> AuthRequest {
        request(.begin, slot: slot, serial: serial, method: SCRAMKeys.method, data: "n,,n=\(user),r=abc")
    }

    @Test func aPasswordIsComparedAndTheAnswerNamesItsUser() throws {
        var doorkeeper = Doorkeeper(directory: try Self.directory(), comparisonLimit: 10, exchangeLimit: 10)
        for (user, isKnown) in [("alice", true), ("nobody", false)] {
            guard case .compare(let task) = try doorkeeper.received(request(.password, user: user), on: 7, random: [1])
            else {
                Issue.record("nothing to compare")
                return
            }
            #expect(task.isKnown == isKnown && task.password == Array("secret".utf8))
            // Whoever it is, the comparison costs the same.
            #expect(task.verifier == (try Verifier(PasswordHashes.yescrypt)))
            let answer = doorkeeper.compared(task.key, isRight: isKnown)
            #expect(answer?.reasonCode == (isKnown ? 0 : 0x86) && answer?.userName == Array(user.utf8))
            #expect(doorkeeper.compared(task.key, isRight: true) == nil)
        }
    }

    @Test func withoutUsersNobodyIsRight() throws {
        var doorkeeper = Doorkeeper(directory: Directory(), comparisonLimit: 10, exchangeLimit: 10)
        #expect(answer(try doorkeeper.received(request(.password), on: 7, random: [1]))?.reasonCode == 0x86)
    }

    @Test func whereTheFileCanNotBeUsedNobodyIsToldThatHeIsWrong() throws {
        var doorkeeper = Doorkeeper(directory: nil, comparisonLimit: 10, exchangeLimit: 10)
        for kind in [AuthRequest.Kind.password, .begin, .proceed, .renew] {
            #expect(answer(try doorkeeper.received(request(kind), on: 7, random: [1]))?.reasonCode == 0x88)
        }
    }

    @Test func aMethodThatIsNotKnownIsRefused() throws {
        var doorkeeper = Doorkeeper(directory: try Self.directory(), comparisonLimit: 10, exchangeLimit: 10)
        for method in ["", "SCRAM-SHA-1", "scram-sha-256", "PLAIN"] {
            let action = try doorkeeper.received(request(.begin, method: method), on: 7, random: [1])
            #expect(answer(action)?.reasonCode == 0x8C)
        }
    }

    @Test func anExchangeGoesOnOnlyWhereItBegan() throws {
        var doorkeeper = Doorkeeper(directory: try Self.directory(), comparisonLimit: 10, exchangeLimit: 10)
        #expect(answer(try doorkeeper.received(begin(), on: 7, random: [1]))?.reasonCode == 0x18)
        let step = request(.proceed, serial: 2, method: SCRAMKeys.method, data: "c=biws,r=x,p=AAAA")
        #expect(answer(try doorkeeper.received(step, on: 8, random: [1]))?.reasonCode == 0x88)
        #expect(answer(try doorkeeper.received(step, on: 7, random: [1]))?.reasonCode == 0x87)
        #expect(answer(try doorkeeper.received(step, on: 7, random: [1]))?.reasonCode == 0x88)
    }

    @Test func beyondTheLimitsOfAChannelRequestsAreRefused() throws {
        var doorkeeper = Doorkeeper(directory: try Self.directory(), comparisonLimit: 1, exchangeLimit: 2)
        for slot in UInt32(1)...2 {
            #expect(answer(try doorkeeper.received(begin(slot: slot), on: 7, random: [1]))?.reasonCode == 0x18)
        }
        #expect(answer(try doorkeeper.received(begin(slot: 3), on: 7, random: [1]))?.reasonCode == 0x89)
        #expect(answer(try doorkeeper.received(begin(slot: 3), on: 8, random: [1]))?.reasonCode == 0x18)
        doorkeeper.forget(AuthForget(slot: 1, generation: 1, serial: 1), on: 7)
        #expect(answer(try doorkeeper.received(begin(slot: 3), on: 7, random: [1]))?.reasonCode == 0x18)
        // Clients that are to answer hold up no password.
        #expect(answer(try doorkeeper.received(request(.password, slot: 4), on: 7, random: [1])) == nil)
        #expect(answer(try doorkeeper.received(request(.password, slot: 5), on: 7, random: [1]))?.reasonCode == 0x89)
        doorkeeper.forget(AuthForget(slot: 4, generation: 1, serial: 1), on: 7)
        #expect(answer(try doorkeeper.received(request(.password, slot: 5), on: 7, random: [1])) == nil)
    }

    @Test func aRequestThatAsksNothingIsNoRequest() throws {
        var doorkeeper = Doorkeeper(directory: try Self.directory(), comparisonLimit: 2, exchangeLimit: 2)
        #expect(throws: FrameError.self) { try doorkeeper.received(request(.settled), on: 7, random: [1]) }
    }

    /// Listeners come and go, connections are forgotten, passwords are compared in any order. Each request has one answer at most,
    /// none after it was forgotten, and in the end nothing is left.
    @Test func randomHistories() throws {
        let directory = try Self.directory()
        for seed in 0..<200 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            var doorkeeper = Doorkeeper(directory: directory, comparisonLimit: 8, exchangeLimit: 8)
            var channels: [UInt32] = [1]
            var lastChannel = UInt32(1)
            var serial = UInt32(0)
            var comparing: [Question] = []
            var wanted: Set<Question> = []
            for _ in 0..<300 {
                let channel = channels.randomElement(using: &random)!
                let slot = UInt32.random(in: 1...6, using: &random)
                let caller = Caller(channel: channel, slot: slot, generation: 1)
                switch Int.random(in: 0..<10, using: &random) {
                case 0...3:
                    // A listener asks again only once it was answered, or has taken the former request back.
                    guard !wanted.contains(where: { $0.caller == caller }) else { continue }
                    serial += 1
                    let kind = [AuthRequest.Kind.password, .begin, .proceed, .renew].randomElement(using: &random)!
                    var asked = kind == .password ? request(.password, slot: slot) : begin(slot: slot)
                    asked.kind = kind
                    asked.serial = serial
                    switch try doorkeeper.received(asked, on: channel, random: [1]) {
                    case .compare(let task):
                        #expect(kind == .password, "seed \(seed)")
                        comparing.append(task.key)
                        wanted.insert(task.key)
                    case .answer(let answer): #expect(answer.serial == serial && answer.slot == slot, "seed \(seed)")
                    }
                case 4...6:
                    guard let index = comparing.indices.randomElement(using: &random) else { continue }
                    let question = comparing.remove(at: index)
                    let answer = doorkeeper.compared(question, isRight: Bool.random(using: &random))
                    #expect((answer != nil) == (wanted.remove(question) != nil), "seed \(seed)")
                case 7...8:
                    guard let question = wanted.first(where: { $0.caller == caller }) else { continue }
                    doorkeeper.forget(AuthForget(slot: slot, generation: 1, serial: question.serial), on: channel)
                    wanted.remove(question)
                default:
                    lastChannel += 1
                    doorkeeper.forget(channel: channel)
                    wanted = wanted.filter { $0.caller.channel != channel }
                    channels = channels.filter { $0 != channel } + [lastChannel]
                }
                for question in comparing { #expect(doorkeeper.awaits(question) == wanted.contains(question)) }
                #expect(doorkeeper.report[AuthCounter.waiting.rawValue] == UInt64(wanted.count), "seed \(seed)")
            }
            for channel in channels { doorkeeper.forget(channel: channel) }
            #expect(doorkeeper.isIdle, "seed \(seed)")
        }
    }
}
