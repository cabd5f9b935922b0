// `apusctl bench`: a small load, to see how fast the broker is here.

import ArgumentParser
import MQTT

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put load on the broker and show messages per second and latencies.",
        discussion: """
            Each pair is a publisher and a subscriber with a topic of their own. Without --rate each publisher keeps \
            --window messages on their way, and latencies are those of a busy broker. One thread does all of it, so \
            with several cores the broker can do more than this shows.
            """,
        helpNames: .long)

    @ParentCommand var parent: ApusCtl
    @OptionGroup var broker: BrokerOptions

    @Option(name: .shortAndLong, help: "The quality of service: 0, 1 or 2.", transform: parseQoS)
    var qos = QoS.atMostOnce

    @Option(name: [.customShort("n"), .long], help: "Pairs of a publisher and a subscriber.")
    var pairs = 10

    @Option(name: .shortAndLong, help: "How long to publish.")
    var seconds = 5.0

    @Option(help: "Bytes of each payload.")
    var size = 64

    @Option(name: .shortAndLong, help: "Messages of a pair that may be on their way at once.")
    var window = 100

    @Option(name: .shortAndLong, help: "Messages per second over all pairs; as many as can be where not given.")
    var rate: Double?

    @Flag(help: "Print JSON for programs.")
    var json = false

    func validate() throws {
        func check(_ name: String, _ isRight: Bool, _ allowed: String) throws {
            if !isRight { throw ValidationError("--\(name) must be \(allowed)") }
        }
        try check("pairs", 1...10_000 ~= pairs, "from 1 to 10000")
        try check("seconds", seconds > 0 && seconds <= 86_400, "more than 0 and at most 86400")
        try check("size", 8...268_000_000 ~= size, "from 8 to 268000000")
        // Packet identifiers must not come round while they are in use.
        try check("window", 1...30_000 ~= window, "from 1 to 30000")
        if let rate { try check("rate", rate > 0 && rate <= 1e9, "more than 0 and at most 1000000000") }
    }

    func run() throws {
        let plan = BenchPlan(pairs: pairs, qos: qos, seconds: seconds, size: size, window: window, rate: rate)
        let report = try runBench(plan, broker.broker)
        if json || parent.options.json {
            try printJSON(report)
        } else {
            try Output.print(report.text)
        }
        if qos != .atMostOnce, report.received < report.sent {
            throw Failure(.failed, "\(report.sent - report.received) messages did not arrive")
        }
    }
}
