// What the tests of the topic tree and the retained set share: a generator, a naive matcher, and random topics.

@testable import Router

/// SplitMix64: the same numbers for the same seed, so that a failure can be had again.
struct TopicGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    private static let levels = [
        "", "a", "b", "$c", "$", "sensor", "sixteen-bytes-ab", "seventeen-bytes-a", "seventeen-bytes-b",
        "a level that is longer than what a node keeps in place",
    ]

    mutating func topic() -> String {
        let count = Int.random(in: 1...4, using: &self)
        let levels = (0..<count).map { _ in Self.levels.randomElement(using: &self)! }
        return levels == [""] ? "/" : levels.joined(separator: "/")
    }

    mutating func filter() -> String {
        var levels = topic().split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        for index in levels.indices where Int.random(in: 0..<3, using: &self) == 0 { levels[index] = "+" }
        if Int.random(in: 0..<4, using: &self) == 0 { levels[levels.count - 1] = "#" }
        return levels.joined(separator: "/")
    }

    /// A filter, shared or not, sometimes that of `topic` alone.
    mutating func anyFilter(_ topic: String) -> String {
        let shares = [nil, "g", "h", "a share name that is long"] as [String?]
        let filter = Int.random(in: 0..<3, using: &self) == 0 ? topic : filter()
        // Empty, it could not be told from none.
        guard let share = shares.randomElement(using: &self)!, !filter.isEmpty else { return filter }
        return "$share/\(share)/\(filter)"
    }
}

/// Section 4.7 of the specification, in the plainest words.
func matches(_ filter: String, _ topic: String) -> Bool {
    let filterLevels = filter.split(separator: "/", omittingEmptySubsequences: false)
    let topicLevels = topic.split(separator: "/", omittingEmptySubsequences: false)
    if topic.hasPrefix("$"), filterLevels[0] == "+" || filterLevels[0] == "#" { return false }
    for (index, level) in filterLevels.enumerated() {
        if level == "#" { return true }
        guard index < topicLevels.count, level == "+" || level == topicLevels[index] else { return false }
    }
    return filterLevels.count == topicLevels.count
}

/// Filters and topics, and whether they match: the examples of sections 4.7.1 to 4.7.3, and the edges beside them.
let matchingRules: [(filter: String, topic: String, matches: Bool)] = [
    ("sport/tennis/player1/#", "sport/tennis/player1", true),
    ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
    ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
    ("sport/tennis/player1/#", "sport/tennis/player2", false),
    ("sport/tennis/player1/#", "sport/tennis", false),
    ("sport/#", "sport", true),
    ("sport/#", "sport/", true),
    ("sport/#", "sports", false),
    ("#", "sport", true),
    ("#", "/", true),
    ("#", "a/b/c/d/e", true),
    ("sport/tennis/+", "sport/tennis/player1", true),
    ("sport/tennis/+", "sport/tennis/player2", true),
    ("sport/tennis/+", "sport/tennis/player1/ranking", false),
    ("sport/+", "sport", false),
    ("sport/+", "sport/", true),
    ("+", "sport", true),
    ("+", "/finance", false),
    ("+/+", "/finance", true),
    ("/+", "/finance", true),
    ("+/tennis/#", "sport/tennis", true),
    ("+/tennis/#", "sport/tennis/a/b", true),
    ("sport/+/player1", "sport/tennis/player1", true),
    ("sport/+/player1", "sport//player1", true),
    ("sport/+/player1", "sport/tennis/player2", false),
    ("#", "$SYS/broker", false),
    ("+/monitor/Clients", "$SYS/monitor/Clients", false),
    ("+/+", "$SYS/broker", false),
    ("$SYS/#", "$SYS", true),
    ("$SYS/#", "$SYS/broker/uptime", true),
    ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
    ("$/#", "$/a", true),
    ("a/#", "a/$b", true),
    ("a/+", "a/$b", true),
    ("ACCOUNTS", "Accounts", false),
    ("/finance", "finance", false),
    ("finance", "/finance", false),
    ("finance/", "finance", false),
    ("a/b", "a/b", true),
    ("a/b", "a/b/c", false),
    ("a/b/c", "a/b", false),
    ("Accounts payable", "Accounts payable", true),
    ("sixteen-bytes-ab", "sixteen-bytes-ab", true),
    ("seventeen-bytes-a", "seventeen-bytes-a", true),
    ("seventeen-bytes-a", "seventeen-bytes-b", false),
    ("12345678", "12345678", true),
    ("1234567", "12345678", false),
    ("a", "a/", false),
]
