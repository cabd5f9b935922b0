// What the queue of a cluster's node is bound by, and what has to be done for that. A value.
//
// AMQP tells nobody what is bound, and what an earlier process had bound would stay for ever. So the bindings are those of an
// exchange of the node's own, which hands everything on to the queue, and of which there are two: `a` gets everything that is
// wanted, then `b` is made anew, gets everything too, and `a` goes. At each moment one of them has all.

struct Bindings {
    enum Side: String, Sendable {
        case a, b
    }

    enum Operation: Equatable, Sendable {
        /// Make one of the node's exchanges, and lead it to the queue.
        case declare(Side)
        case bind(String, Side)
        case unbind(String, Side)
        case delete(Side)
    }

    /// What one frame of the router's says.
    struct Change: Sendable {
        var filter: String
        var isWanted: Bool
    }

    /// Filters that are bound one by one; with more of them there is one binding, by `#`.
    var limit: Int
    /// What is bound beside, in any case.
    private let always: [String]
    private var wanted: Set<String> = []
    /// Those of them that this router has named, until it has named all.
    private var fresh: Set<String>?
    /// All have been named once.
    private var isKnown = false
    /// What is to be done makes what is wanted true.
    private var isBuilt = false
    private(set) var takesEverything = false
    private var operations: [Operation] = []
    private var head = 0

    init(limit: Int, always: [String] = []) {
        self.limit = limit
        self.always = always
    }

    var count: Int { wanted.count }
    var isEmpty: Bool { head == operations.count }

    /// There is another connection, and nothing is known of what there is behind it.
    mutating func begin() {
        (operations, head) = ([], 0)
        isBuilt = false
        takesEverything = false
        if isKnown { build() }
    }

    /// - Parameters:
    ///   - begins: another router; what it does not name until `isWhole` is not wanted any more.
    ///   - isWhole: everything has been named.
    mutating func hear(_ changes: [Change], begins: Bool, isWhole: Bool) {
        if begins { fresh = [] }
        for change in changes { hear(change) }
        if isWhole, let named = fresh {
            fresh = nil
            isKnown = true
            for filter in wanted.subtracting(named) { hear(Change(filter: filter, isWanted: false)) }
            if !isBuilt { build() }
        }
        if isBuilt, !takesEverything, wanted.count > limit {
            takesEverything = true
            operations.append(.bind("#", .b))
        }
    }

    private mutating func hear(_ change: Change) {
        // Nobody's interest in it makes it more bound, and nobody's losing it less.
        guard !always.contains(change.filter) else { return }
        if change.isWanted {
            fresh?.insert(change.filter)
            guard wanted.insert(change.filter).inserted else { return }
        } else {
            fresh?.remove(change.filter)
            guard wanted.remove(change.filter) != nil else { return }
        }
        guard isBuilt, !takesEverything else { return }
        operations.append(change.isWanted ? .bind(change.filter, .b) : .unbind(change.filter, .b))
    }

    private mutating func build() {
        isBuilt = true
        takesEverything = wanted.count > limit
        let filters = (takesEverything ? ["#"] : Array(wanted)) + always
        operations = [.declare(.a)] + filters.map { .bind($0, .a) } + [.delete(.b), .declare(.b)]
        operations += filters.map { .bind($0, .b) } + [.delete(.a)]
        head = 0
    }

    /// The next thing to do; nil: nothing is.
    mutating func next() -> Operation? {
        guard head < operations.count else {
            if head > 0 { (operations, head) = ([], 0) }
            return nil
        }
        head += 1
        return operations[head - 1]
    }
}
