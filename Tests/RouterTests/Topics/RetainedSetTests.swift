import Testing

@testable import Router

/// A small generator with a fixed seed, so that a failure can be had again.
private struct SplitMix64: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

private func set(
    _ retained: inout RetainedSet, _ topic: String, _ payload: String = "x", properties: [UInt8] = [], qos: UInt8 = 0
) throws(RetainedRefused) {
    let (topic, payload) = (Array(topic.utf8), Array(payload.utf8))
    try retained.set(topic.span, payload: payload.span, properties: properties.span, qos: qos)
}

private func clear(_ retained: inout RetainedSet, _ topic: String) {
    let topic = Array(topic.utf8)
    retained.clear(topic.span)
}

/// Topic and payload of a message.
private func text(_ retained: borrowing RetainedSet, _ number: UInt32) -> (topic: String, payload: String) {
    var bytes: [UInt8] = []
    retained.copy(number, properties: [], into: &bytes)
    let (topic, payload) = (Int(retained[number].topicLength), Int(retained[number].payloadLength))
    return (
        String(decoding: bytes[..<topic], as: UTF8.self),
        String(decoding: bytes[topic..<(topic + payload)], as: UTF8.self)
    )
}

/// All topics under a filter, found in parts of so many steps.
private func topics(_ retained: inout RetainedSet, _ filter: String, steps: Int = 1000) -> [String] {
    let filter = Array(filter.utf8)
    var cursor = RetainedSet.Cursor()
    var found: [String] = []
    while true {
        var budget = steps
        switch retained.next(&cursor, filter: filter.span, budget: &budget) {
        case .message(let number): found.append(text(retained, number).topic)
        case .nothingYet: #expect(budget <= 0)
        case .finished: return found
        }
    }
}

@Suite struct RetainedSetTests {
    @Test func keepsReplacesAndClears() throws {
        var retained = RetainedSet()
        try set(&retained, "a/b", "first", properties: [1, 2, 3], qos: 2)
        try set(&retained, "a/b", "second, which is longer than the first was", properties: [4], qos: 1)
        #expect(retained.count == 1)
        #expect(retained.bytes == 3 + 42 + 1)
        let topic = Array("a/b".utf8)
        let number = retained.find(topic.span)
        #expect(retained[number].qos == 1)
        var bytes: [UInt8] = []
        retained.copy(number, properties: [9, 9], into: &bytes)
        #expect(bytes == Array("a/bsecond, which is longer than the first was".utf8) + [9, 9, 4])
        clear(&retained, "a")
        #expect(retained.count == 1)
        clear(&retained, "a/b")
        #expect(retained.find(topic.span) == UInt32.max)
        #expect((retained.count, retained.bytes, retained.nodes.count) == (0, 0, 0))
    }

    @Test(arguments: [
        ("#", ["a", "a/b", "a/b/c", "/a", "a/", "/", "b//c"]),
        ("+", ["a"]),
        ("+/+", ["a/b", "/a", "a/", "/"]),
        ("a/#", ["a", "a/b", "a/b/c", "a/"]),
        ("a/b/#", ["a/b", "a/b/c"]),
        ("a/b/c/#", ["a/b/c"]),
        ("+/#", ["a", "a/b", "a/b/c", "/a", "a/", "/", "b//c"]),
        ("+/b/#", ["a/b", "a/b/c"]),
        ("/#", ["/a", "/"]),
        ("a/+", ["a/b", "a/"]),
        ("b/+/c", ["b//c"]),
        ("b//c", ["b//c"]),
        ("$SYS/#", ["$SYS/x/y"]),
        ("$SYS/+/y", ["$SYS/x/y"]),
        ("+/x/y", []),
        ("c", []), ("c/#", []), ("a/b/c/d", []),
    ])
    func matchesAsSpecified(_ filter: String, _ expected: [String]) throws {
        var retained = RetainedSet()
        for topic in ["a", "a/b", "a/b/c", "/a", "a/", "/", "b//c", "$SYS/x/y", "$"] { try set(&retained, topic) }
        let nodes = retained.nodes.count
        #expect(topics(&retained, filter).sorted() == expected.sorted())
        #expect(topics(&retained, filter, steps: 1).sorted() == expected.sorted())
        // Nothing is pinned any more.
        for topic in ["a", "a/b", "a/b/c", "/a", "a/", "/", "b//c", "$SYS/x/y", "$"] { clear(&retained, topic) }
        #expect(nodes > 0 && retained.nodes.count == 0)
    }

    @Test func refusesBeyondItsLimits() throws {
        var retained = RetainedSet(limits: .init(messages: 2, bytes: 20))
        try set(&retained, "a", "12345")
        try set(&retained, "b", "1234567890123")
        #expect(retained.bytes == 20)
        #expect(throws: RetainedRefused.tooManyMessages) { try set(&retained, "c") }
        #expect(throws: RetainedRefused.tooManyBytes) { try set(&retained, "a", "123456") }
        try set(&retained, "a", "54321")
        clear(&retained, "a")
        #expect(throws: RetainedRefused.tooManyBytes) { try set(&retained, "c", "123456") }
        try set(&retained, "c", "12345")
        #expect((retained.count, retained.bytes) == (2, 20))
        // A reload may lower the limits below what there is.
        retained.limits = .init(messages: 1, bytes: 10)
        try set(&retained, "b", "1234567890")
        #expect(throws: RetainedRefused.tooManyBytes) { try set(&retained, "b", "12345678901") }
        #expect(throws: RetainedRefused.tooManyMessages) { try set(&retained, "d") }
        #expect((retained.count, retained.bytes) == (2, 17))
    }

    @Test func countsWhatManyLevelsTake() throws {
        var retained = RetainedSet(limits: .init(messages: 10, bytes: 100_000))
        #expect(throws: RetainedRefused.tooManyBytes) {
            try set(&retained, String(repeating: "/", count: 2000))
        }
        #expect(retained.nodes.count == 0)
        try set(&retained, String(repeating: "/", count: 700))
        clear(&retained, String(repeating: "/", count: 700))
        #expect((retained.count, retained.bytes, retained.nodes.count) == (0, 0, 0))
    }

    @Test func searchesNoUnrelatedBranch() throws {
        var retained = RetainedSet()
        for index in 0..<1000 { try set(&retained, "other/\(index)/x") }
        try set(&retained, "wanted/1/x")
        let filter = Array("wanted/+/x".utf8)
        var cursor = RetainedSet.Cursor()
        var budget = 20
        guard case .message = retained.next(&cursor, filter: filter.span, budget: &budget) else {
            Issue.record("nothing found")
            return
        }
        #expect(retained.next(&cursor, filter: filter.span, budget: &budget) == .finished)
        #expect(budget > 0)
    }

    @Test func endsASearchThatIsNotFinished() throws {
        var retained = RetainedSet()
        try set(&retained, "a/b/c")
        let filter = Array("#".utf8)
        var cursor = RetainedSet.Cursor()
        var budget = 3
        #expect(retained.next(&cursor, filter: filter.span, budget: &budget) == .message(0))
        clear(&retained, "a/b/c")
        #expect(retained.nodes.count == 3)
        #expect(retained.current(cursor) == UInt32.max)
        retained.end(&cursor)
        #expect(retained.nodes.count == 0)
        #expect(retained.next(&cursor, filter: filter.span, budget: &budget) == .nothingYet)
        budget = 1
        #expect(retained.next(&cursor, filter: filter.span, budget: &budget) == .finished)
    }

    /// A search that goes on while topics come and go.
    private struct Search {
        var filter: String
        var cursor = RetainedSet.Cursor()
        var found: [String] = []
        /// What matched at the start and has not been touched since.
        var certain: Set<String>
        /// What was set or cleared since.
        var touched: Set<String> = []
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func agreesWithANaiveModel(_ seed: UInt64) throws {
        var random = SplitMix64(state: seed)
        var retained = RetainedSet()
        var model: [String: String] = [:]
        var searches: [Search] = []
        var finished = 0
        let names = ["", "a", "b", "$x", "a name that is longer than sixteen bytes", "and another one of that kind"]
        func path(_ names: [String]) -> String {
            let path = (0..<Int.random(in: 1...4, using: &random)).map { _ in names.randomElement(using: &random)! }
            return path == [""] ? "/" : path.joined(separator: "/")
        }
        for _ in 0..<20_000 {
            switch Int.random(in: 0..<8, using: &random) {
            case 0...2:
                let topic = path(names)
                let payload = String(repeating: "p", count: Int.random(in: 1...300, using: &random))
                try set(&retained, topic, payload)
                model[topic] = payload
                for index in searches.indices { searches[index].touched.insert(topic) }
            case 3, 4:
                let known = model.keys.sorted().randomElement(using: &random)
                let topic = known ?? path(names)
                clear(&retained, topic)
                model[topic] = nil
                for index in searches.indices { searches[index].touched.insert(topic) }
            case 5 where searches.count < 8:
                var filter = path(names + ["+", "+", "+"])
                if Bool.random(using: &random) { filter = Bool.random(using: &random) ? "#" : filter + "/#" }
                searches.append(
                    Search(filter: filter, certain: Set(model.keys.filter { matches(filter, $0) })))
            default:
                guard let index = searches.indices.randomElement(using: &random) else { continue }
                var budget = Int.random(in: 1...30, using: &random)
                let filter = Array(searches[index].filter.utf8)
                switch retained.next(&searches[index].cursor, filter: filter.span, budget: &budget) {
                case .message(let number):
                    let (topic, payload) = text(retained, number)
                    #expect(model[topic] == payload && matches(searches[index].filter, topic), "seed \(seed)")
                    searches[index].found.append(topic)
                case .nothingYet: break
                case .finished:
                    let search = searches.remove(at: index)
                    let untouched = search.found.filter { !search.touched.contains($0) }
                    #expect(untouched.count == Set(untouched).count, "seed \(seed), \(search.filter)")
                    #expect(
                        Set(untouched) == search.certain.subtracting(search.touched), "seed \(seed), \(search.filter)")
                    finished += 1
                }
                if !searches.isEmpty, Int.random(in: 0..<500, using: &random) == 0 {
                    var search = searches.removeLast()
                    retained.end(&search.cursor)
                }
            }
        }
        #expect(finished > 50)
        #expect(retained.count == model.count)
        #expect(retained.bytes == model.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count })
        for index in searches.indices { retained.end(&searches[index].cursor) }
        for topic in model.keys { clear(&retained, topic) }
        #expect((retained.count, retained.bytes, retained.nodes.count) == (0, 0, 0))
    }

    /// Just above a power of two, where the arrays' reserves are largest.
    @Test(arguments: [70_000, 130_000]) func takesLittleMemory(_ count: Int) throws {
        var retained = RetainedSet()
        for index in 0..<count { try set(&retained, "site/\(index % 100)/device-\(index)/temperature", "21.5") }
        #expect(retained.count == count)
        #expect((retained.memory - retained.bytes) / count < 400)
    }
}
