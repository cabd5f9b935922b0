import Testing

@testable import Bridge

@Suite("Bindings of a cluster's node")
struct BindingsTests {
    /// What a RabbitMQ has, by side; and whether at every moment everything that was wanted throughout is bound.
    private struct Server {
        var sides: [Bindings.Side: Set<String>] = [:]

        mutating func perform(_ operation: Bindings.Operation) {
            switch operation {
            case .declare(let side): sides[side] = sides[side] ?? []
            case .bind(let filter, let side): sides[side]?.insert(filter)
            case .unbind(let filter, let side): sides[side]?.remove(filter)
            case .delete(let side): sides[side] = nil
            }
        }

        mutating func perform(_ bindings: inout Bindings) {
            while let operation = bindings.next() { perform(operation) }
        }
    }

    private func wanted(_ filters: String...) -> [Bindings.Change] { filters.map { .init(filter: $0, isWanted: true) } }
    private func unwanted(_ filters: String...) -> [Bindings.Change] {
        filters.map { .init(filter: $0, isWanted: false) }
    }

    @Test("Nothing is done before everything is known")
    func beginning() {
        var bindings = Bindings(limit: 10)
        bindings.begin()
        bindings.hear(wanted("a", "b"), begins: true, isWhole: false)
        #expect(bindings.isEmpty)
        bindings.hear(wanted("c"), begins: false, isWhole: true)
        var server = Server()
        server.perform(&bindings)
        #expect(server.sides == [.b: ["a", "b", "c"]])
        bindings.hear(unwanted("a") + wanted("d", "b"), begins: false, isWhole: false)
        server.perform(&bindings)
        #expect(server.sides == [.b: ["b", "c", "d"]])
    }

    @Test("What is bound in any case, also beside everything")
    func always() {
        for limit in [1, 10] {
            var bindings = Bindings(limit: limit, always: ["$own/#"])
            bindings.begin()
            bindings.hear(wanted("a", "b"), begins: true, isWhole: true)
            var server = Server()
            server.perform(&bindings)
            #expect(server.sides == [.b: limit == 1 ? ["#", "$own/#"] : ["a", "b", "$own/#"]])
            // A client's interest in it comes and goes.
            for isWanted in [true, false] {
                bindings.hear([.init(filter: "$own/#", isWanted: isWanted)], begins: false, isWhole: false)
                server.perform(&bindings)
                #expect(server.sides[.b]?.contains("$own/#") == true)
            }
        }
    }

    @Test("Another router: what it does not name is unbound")
    func anotherRouter() {
        var bindings = Bindings(limit: 10)
        var server = Server()
        bindings.begin()
        bindings.hear(wanted("a", "b"), begins: true, isWhole: true)
        bindings.hear(wanted("b"), begins: true, isWhole: false)
        bindings.hear(wanted("c"), begins: false, isWhole: false)
        server.perform(&bindings)
        #expect(server.sides == [.b: ["a", "b", "c"]])
        bindings.hear([], begins: false, isWhole: true)
        server.perform(&bindings)
        #expect(server.sides == [.b: ["b", "c"]])
    }

    @Test("Whatever an earlier process has left behind, and whenever it died, nothing wanted is ever missing")
    func leftovers() {
        let left: [[Bindings.Side: Set<String>]] = [
            [:], [.a: ["a", "x"]], [.b: ["a", "x"]], [.a: ["a"], .b: ["x", "a"]],
        ]
        for sides in left {
            var bindings = Bindings(limit: 10)
            bindings.begin()
            bindings.hear(wanted("a", "b"), begins: true, isWhole: true)
            var server = Server(sides: sides)
            while let operation = bindings.next() {
                server.perform(operation)
                let all = server.sides.values.reduce(into: Set<String>()) { $0.formUnion($1) }
                #expect(sides.isEmpty || all.contains("a"))
            }
            #expect(server.sides == [.b: ["a", "b"]])
        }
    }

    @Test("A connection that breaks in the middle: the next one does everything again", arguments: 0..<9)
    func reconnect(after count: Int) {
        var bindings = Bindings(limit: 10)
        var server = Server()
        bindings.begin()
        bindings.hear(wanted("a", "b"), begins: true, isWhole: true)
        for _ in 0..<count { if let operation = bindings.next() { server.perform(operation) } }
        bindings.hear(unwanted("a") + wanted("c"), begins: false, isWhole: false)
        bindings.begin()
        server.perform(&bindings)
        #expect(server.sides == [.b: ["b", "c"]])
    }

    @Test("Up to the limit each by itself, beyond it everything")
    func limit() {
        var bindings = Bindings(limit: 2)
        var server = Server()
        bindings.begin()
        bindings.hear(wanted("a", "b"), begins: true, isWhole: true)
        server.perform(&bindings)
        #expect(server.sides == [.b: ["a", "b"]] && !bindings.takesEverything)
        bindings.hear(wanted("c"), begins: false, isWhole: false)
        #expect(bindings.takesEverything)
        server.perform(&bindings)
        #expect(server.sides[.b]?.contains("#") == true)
        // Fewer again: with the next connection each is bound by itself.
        bindings.hear(unwanted("c"), begins: false, isWhole: false)
        bindings.begin()
        server.perform(&bindings)
        #expect(server.sides == [.b: ["a", "b"]] && !bindings.takesEverything)
    }
}
