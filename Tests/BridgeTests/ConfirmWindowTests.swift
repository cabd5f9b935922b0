import Testing

@testable import Bridge

@Suite struct ConfirmWindowTests {
    static func message(_ serial: UInt64) -> Outgoing {
        Outgoing(serial: serial, key: [], envelope: Envelope(), payload: [], isKept: true)
    }

    /// Against a dictionary of what is not confirmed, by numbers.
    @Test(arguments: 0..<20) func aRandomHistory(_ seed: Int) {
        var window = ConfirmWindow()
        var model: [UInt64: UInt64] = [:]
        var (published, serial): (UInt64, UInt64) = (0, 0)
        for _ in 0..<5000 {
            switch Int.random(in: 0..<20) {
            case 0..<11:
                published += 1
                serial += 1
                window.append(Self.message(serial))
                model[published] = serial
            case 11..<19:
                // Numbers that were never given are among them.
                let tag = UInt64.random(in: 0...(published + 2))
                let isMultiple = Bool.random()
                let settled = window.settle(tag, isMultiple: isMultiple).map(\.serial)
                let known = tag >= 1 && tag <= published
                let expected =
                    !known ? [] : isMultiple ? model.keys.filter { $0 <= tag }.sorted() : model[tag] == nil ? [] : [tag]
                #expect(settled == expected.map { model[$0]! })
                for tag in expected { model[tag] = nil }
            default:
                guard Int.random(in: 0..<40) == 0 else { continue }
                let left = window.reset().map(\.serial)
                #expect(left == model.keys.sorted().map { model[$0]! })
                model = [:]
                published = 0
            }
            #expect(window.count == model.count)
        }
    }
}
