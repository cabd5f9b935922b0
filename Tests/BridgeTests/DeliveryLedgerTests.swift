import Testing

@testable import Bridge

@Suite struct DeliveryLedgerTests {
    /// Against a list of tags with what has become of them.
    @Test(arguments: 0..<20) func aRandomHistory(_ seed: Int) {
        enum Fate { case pending, done, gone }
        var ledger = DeliveryLedger()
        var model: [(tag: UInt64, fate: Fate)] = []
        var last: UInt64 = 0
        for _ in 0..<5000 {
            switch Int.random(in: 0..<4) {
            case 0:
                last += UInt64.random(in: 1...3)
                ledger.add(last)
                model.append((last, .pending))
            case 1, 2:
                guard let index = model.indices.filter({ model[$0].fate == .pending }).randomElement() else { continue }
                let isDone = Int.random(in: 0..<5) > 0
                if isDone { ledger.finish(model[index].tag) } else { ledger.remove(model[index].tag) }
                model[index].fate = isDone ? .done : .gone
            default:
                let settled = model.prefix { $0.fate != .pending }
                let taken = ledger.takeDone()
                #expect(taken == settled.last { $0.fate == .done }?.tag)
                model.removeFirst(settled.count)
            }
            #expect(ledger.isEmpty == model.isEmpty)
        }
    }
}
