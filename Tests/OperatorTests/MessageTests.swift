import Glibc
import MQTT
import Testing

@testable import Operator

@Suite struct MessageTests {
    private func line(_ topic: String, _ payload: [UInt8], json: Bool, verbose: Bool, terminal: Bool) throws -> [UInt8]
    {
        try ReceivedMessage(Publish(topic: topic, payload: payload, qos: .atLeastOnce, retain: true)).bytes(
            ReceivedMessage.Form(json: json, topic: verbose, terminal: terminal))
    }

    @Test func plainIsAsItCame() throws {
        let payload: [UInt8] = [0, 10, 27, 255]
        #expect(try line("a", payload, json: false, verbose: false, terminal: false) == payload + [10])
        #expect(
            try line("a\u{1b}", payload, json: false, verbose: true, terminal: false)
                == Array("a\\u{1b} ".utf8) + payload + [10])
    }

    @Test func terminalsAreSpared() throws {
        let text = Array("{\"a\":\"\\n\"}\n\u{1b}[2J".utf8)
        #expect(
            String(decoding: try line("t", text, json: false, verbose: true, terminal: true), as: UTF8.self)
                == "t {\"a\":\"\\n\"}\n\\u{1b}[2J\n")
        #expect(
            String(
                decoding: try line("t", [0, 0xAB, 0xFF], json: false, verbose: false, terminal: true), as: UTF8.self)
                == "00abff\n")
    }

    @Test func json() throws {
        #expect(
            String(
                decoding: try line("t/\n", Array("é\n".utf8), json: true, verbose: false, terminal: true), as: UTF8.self
            )
                == #"{"payload":"é\n","qos":1,"retain":true,"topic":"t/\n"}"# + "\n")
        #expect(
            String(decoding: try line("t", [0xFF], json: true, verbose: false, terminal: false), as: UTF8.self)
                == #"{"encoding":"base64","payload":"/w==","qos":1,"retain":true,"topic":"t"}"# + "\n")
    }

    @Test func linesOfInput() throws {
        var ends: [Int32] = [-1, -1]
        try #require(unsafe pipe(&ends) == 0)
        defer { close(ends[0]) }
        let long = String(repeating: "x", count: 60_000)
        let text = Array("one\n\ntwo \u{e9}\n\(long)\nlast".utf8)
        try #require(unsafe write(ends[1], text, text.count) == text.count)
        close(ends[1])
        var input = Input(ends[0])
        var lines: [String] = []
        while let line = try input.nextLine() { lines.append(String(decoding: line, as: UTF8.self)) }
        #expect(lines == ["one", "", "two é", long, "last"])
    }

    @Test func figuresOfABench() {
        var latencies = Histogram()
        for _ in 0..<99 { latencies.add(50_000) }
        latencies.add(1_000_000)
        let plan = BenchPlan(pairs: 1, qos: .atLeastOnce, seconds: 2, size: 64, window: 1, rate: nil)
        let report = BenchReport(plan, seconds: 2, sent: 2001, received: 2000, latencies: latencies)
        #expect(report.messagesPerSecond == 1000)
        #expect(report.latency.max == 1000)
        #expect((50...52).contains(report.latency.p50))
        #expect(report.text.contains("1 pair at QoS 1, payload 64 B, 2.0 s"))
        #expect(report.text.contains("2,001 sent, 2,000 received, 1 lost"))
        #expect(report.text.contains("1,000 messages/s"))
        #expect(report.text.contains("maximum 1.000 ms"))
        let nothing = BenchReport(plan, seconds: 0, sent: 0, received: 0, latencies: Histogram())
        #expect(nothing.messagesPerSecond == 0)
        #expect(!nothing.text.contains("lost"))
    }
}
