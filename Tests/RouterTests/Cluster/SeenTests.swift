import Messages
import Store
import Testing

@testable import Router

@Suite struct SeenTests {
    static func origin(_ number: UInt64, _ node: String = "other") -> MessageOrigin {
        MessageOrigin(MessageIdentity(number: number, qos: 1), node: Array(node.utf8))!
    }

    @Test func newRepeatedAndTheSameFrameAgain() {
        var seen = Seen()
        let origin = Self.origin(7)
        #expect(seen.verdict(origin, at: 10) == .new)
        seen.insert(origin, at: 10)
        let (same, repeated) = (seen.verdict(origin, at: 10), seen.verdict(origin, at: 20))
        #expect(same == .same && repeated == .repeated)
        #expect(seen.verdict(Self.origin(7, "third"), at: 10) == .new)
    }

    @Test func anOlderOneThanTheWindowCountsAsNew() {
        var seen = Seen()
        for number in 0...UInt64(Seen.window) { seen.insert(Self.origin(number), at: number) }
        let (gone, oldest) = (seen.verdict(Self.origin(0), at: 1 << 40), seen.verdict(Self.origin(1), at: 1 << 40))
        #expect(gone == .new && oldest == .repeated)
    }

    @Test func theBrokerThatWasSilentForLongestGivesWay() {
        var seen = Seen()
        for node in 0..<Seen.nodes { seen.insert(Self.origin(1, "n\(node)"), at: 0) }
        seen.insert(Self.origin(2, "n0"), at: 0)
        seen.insert(Self.origin(1, "one more"), at: 0)
        let count = seen.known.count
        #expect(count == Seen.nodes)
        let verdicts = ["n0", "n1", "n2", "one more"].map { seen.verdict(Self.origin(1, $0), at: 1) }
        #expect(verdicts == [.repeated, .new, .repeated, .repeated])
    }

    /// Against the plainest model, through a store that is opened again and again.
    @Test(arguments: 1...3) func history(_ seed: UInt64) throws {
        var random = TopicGenerator(seed: seed)
        let folder = Folder()
        var settings = RouterSettings()
        settings.stateDirectory = folder.path
        var store: Store? = try Router.openStore(settings, leaving: 1)
        var seen = Seen()
        var model: [String: [UInt64]] = [:]
        for _ in 0..<60 {
            for _ in 0..<Int.random(in: 0...900, using: &random) {
                let node = ["a", "b", "long name of a node"].randomElement(using: &random)!
                let number = UInt64.random(in: 0...40_000, using: &random)
                let isKnown = model[node, default: []].suffix(Seen.window).contains(number)
                let verdict = seen.verdict(Self.origin(number, node), at: 1)
                #expect((verdict == .repeated) == isKnown)
                guard verdict == .new else { continue }
                seen.insert(Self.origin(number, node), at: 0)
                model[node, default: []].append(number)
            }
            var log = ChangeLog()
            seen.write(to: &log)
            guard !log.isEmpty else { continue }
            _ = store!.submit(&log, clock: nil)
            guard Int.random(in: 0..<5, using: &random) == 0 else { continue }
            store!.close()
            store = nil
            store = try Router.openStore(settings, leaving: 1)
            seen = Seen()
            seen.load(store!.takeContents().seen)
        }
        store!.close()
    }
}
