// The packet identifiers of a session against a dictionary.

import Testing

@testable import Router

@Suite struct PacketWindowTests {
    static let stages: [PacketWindow.Stage] = [.acknowledgement, .receipt, .completion, .release]

    @Test(arguments: [1, 20, 3000, 65_535])
    func randomHistoriesAgreeWithADictionary(_ limit: Int) {
        let seed: UInt64 = 11
        var random = SeededGenerator(seed: seed)
        var window = PacketWindow()
        var model: [UInt16: PacketWindow.Stage] = [:]
        var known: [UInt16] = []
        for _ in 0..<20_000 {
            switch random.below(8) {
            case 0...3 where model.count < limit:
                let stage = Self.stages[random.below(4)]
                let identifier = window.assign(stage)
                #expect(identifier != 0 && model[identifier] == nil, "seed \(seed)")
                model[identifier] = stage
                known.append(identifier)
            case 4 where model.count < limit:
                let identifier = UInt16.random(in: 1 ... .max, using: &random)
                let stage = Self.stages[random.below(4)]
                window.insert(.init(identifier, stage))
                model[identifier] = stage
                known.append(identifier)
            case 5 where !known.isEmpty:
                let identifier = known[random.below(known.count)]
                #expect(window[identifier]?.stage == model[identifier], "seed \(seed)")
            default:
                guard !known.isEmpty else { continue }
                let identifier = known.remove(at: max(0, known.count - 1 - random.below(50)))
                let (removed, former) = (window.remove(identifier), model.removeValue(forKey: identifier))
                #expect(removed == (former != nil), "seed \(seed)")
            }
            if window.count != model.count { Issue.record("\(window.count) of \(model.count), seed \(seed)") }
        }
        for identifier in UInt16.min ... .max where window[identifier]?.stage != model[identifier] {
            Issue.record("\(identifier), seed \(seed)")
        }
    }

    @Test func identifiersRiseAndBeginAnewBehindTheLast() {
        var window = PacketWindow()
        for expected in 1...65_535 {
            let identifier = window.assign(.acknowledgement)
            if identifier != expected { Issue.record("\(identifier) instead of \(expected)") }
            window.remove(identifier)
        }
        #expect(window.count == 0)
        let next = window.assign(.receipt)
        #expect(next == 1)
    }

    @Test func allIdentifiersCanBeInFlight() {
        var window = PacketWindow()
        var given: Set<UInt16> = []
        for _ in 0..<65_535 { given.insert(window.assign(.receipt)) }
        #expect(given.count == 65_535)
        #expect(!given.contains(0))
        #expect(window.count == 65_535)
        // The only free one is found, wherever it is.
        for identifier: UInt16 in [40_000, 1, 65_535] {
            window.remove(identifier)
            let next = window.assign(.receipt)
            #expect(next == identifier)
        }
    }

    /// A session that the store keeps has all its messages of one listener, and none is acknowledged.
    @Test(arguments: [0, 1, 15] as [UInt8])
    func anOriginHasAsManyAsADurableSessionMayHave(_ origin: UInt8) {
        var window = PacketWindow()
        for number in 0..<Int(PacketWindow.mostDurable) {
            let identifier = window.assign(.acknowledgement, entry: 0, origin: origin)
            if identifier == 0 || UInt8(identifier & 15) != origin { Issue.record("\(identifier) at \(number)") }
        }
        // More than may be: still different ones.
        for _ in 0..<100 {
            let count = window.count
            let identifier = window.assign(.acknowledgement, entry: 0, origin: origin)
            #expect(identifier != 0 && window.count == count + 1)
        }
    }

    @Test func insertingAgainChangesTheStage() {
        var window = PacketWindow()
        window.insert(.init(5, .receipt))
        window.insert(.init(5, .completion, entry: 9))
        #expect(window.count == 1)
        #expect(window[5] == .init(5, .completion, entry: 9))
        #expect(window[5]?.entry == 9)
        let removals = [window.remove(5), window.remove(5)]
        #expect(removals == [true, false])
        #expect(!window.contains(5))
    }
}
