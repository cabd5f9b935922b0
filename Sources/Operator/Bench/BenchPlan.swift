// What a bench does, and what it found.

package import MQTT

/// The load: pairs of a publisher and a subscriber, each pair on a topic of its own.
package struct BenchPlan: Sendable {
    package var pairs: Int
    package var qos: QoS
    package var seconds: Double
    /// Bytes of each payload, 8 or more: it begins with the time of sending.
    package var size: Int
    /// How many messages of a pair may be on their way, or unacknowledged, at once.
    package var window: Int
    /// Messages a second over all pairs; nil for as many as can be.
    package var rate: Double?

    package init(pairs: Int, qos: QoS, seconds: Double, size: Int, window: Int, rate: Double?) {
        self.pairs = pairs
        self.qos = qos
        self.seconds = seconds
        self.size = size
        self.window = window
        self.rate = rate
    }
}

/// The figures; the JSON keys are an interface for scripts.
package struct BenchReport: Encodable, Equatable {
    package var pairs: Int
    package var qos: Int
    package var payload: Int
    package var seconds: Double
    package var sent: Int
    package var received: Int
    package var messagesPerSecond: Double
    package var latency: Latency

    /// From the publisher's write to the subscriber's read, in microseconds.
    package struct Latency: Encodable, Equatable {
        package var p50, p90, p99, p999, max: Double
    }

    private enum CodingKeys: String, CodingKey {
        case pairs, qos, payload, seconds, sent, received
        case messagesPerSecond = "messages_per_s"
        case latency = "latency_us"
    }

    /// - Parameters:
    ///   - seconds: from the first message sent to the last received.
    ///   - latencies: in nanoseconds.
    package init(_ plan: BenchPlan, seconds: Double, sent: Int, received: Int, latencies: Histogram) {
        func microseconds(_ nanoseconds: UInt64) -> Double { (Double(nanoseconds) / 100).rounded() / 10 }
        pairs = plan.pairs
        qos = Int(plan.qos.rawValue)
        payload = plan.size
        self.seconds = (seconds * 1000).rounded() / 1000
        self.sent = sent
        self.received = received
        messagesPerSecond = seconds > 0 ? (Double(received) / seconds).rounded() : 0
        latency = Latency(
            p50: microseconds(latencies.percentile(0.5)), p90: microseconds(latencies.percentile(0.9)),
            p99: microseconds(latencies.percentile(0.99)), p999: microseconds(latencies.percentile(0.999)),
            max: microseconds(latencies.maximum))
    }

    /// In lines for people.
    package var text: String {
        func time(_ microseconds: Double) -> String { "\(number(microseconds / 1000, decimals: 3)) ms" }
        let lost = received < sent ? ", \(grouped(UInt64(sent - received))) lost" : ""
        return """
            load      \(pairs) \(pairs == 1 ? "pair" : "pairs") at QoS \(qos), payload \(payload) B, \
            \(number(seconds, decimals: 1)) s
            messages  \(grouped(UInt64(sent))) sent, \(grouped(UInt64(received))) received\(lost)
            rate      \(grouped(UInt64(messagesPerSecond))) messages/s
            latency   median \(time(latency.p50)), 90 % \(time(latency.p90)), 99 % \(time(latency.p99)), \
            99.9 % \(time(latency.p999)), maximum \(time(latency.max))

            """
    }
}
