import Glibc
import Logging
import Testing

@testable import Journal

/// The whole way, once, because a process has one log: events and plain swift-log lines to a pipe which
/// at first nobody reads.
@Suite struct JournalTests {
    @Test func linesAreWrittenWithoutEverBlockingTheCaller() throws {
        var ends: [Int32] = [-1, -1]
        try #require(unsafe pipe(&ends) == 0)
        Journal.bootstrap(
            worker: "listener/test", always: [.generation: "2"], destination: .lines(descriptor: ends[1]))

        Journal.log(.clientConnected, [.clientID: "a\nb", .peer: "127.0.0.1:5", .protocol: "mqtt"])
        Journal.configure(level: .info, connections: false)
        Journal.log(.clientConnected, [.clientID: "unseen", .peer: "127.0.0.1:6"])
        Journal.configure(level: .error, connections: true)
        Journal.log(.clientConnected, [.clientID: "unimportant", .peer: "127.0.0.1:7"])
        Journal.configure(level: .info, connections: true)
        Logger(label: "library").warning("from elsewhere", metadata: ["key": "some value"])
        // 10 of these a second; the pipe holds 64 KiB, so that without a thread the test would stop here.
        for _ in 0..<100 { Journal.log(.protocolViolation, [.clientID: "x", .peer: "y", .reason: "z"]) }
        let long = String(repeating: "t", count: 1000)
        for _ in 0..<8000 { Journal.log(.workerExited, [.topic: long]) }
        #expect(!Journal.flush(within: .milliseconds(50)), "nobody reads the pipe, so something must be left")

        // Read here, not by a task: a busy machine may give that no thread for long. Other suites run in this process,
        // and what they log may come in between.
        var chunk = [UInt8](repeating: 0, count: 65_536)
        var bytes: [UInt8] = []
        var isComplete = false
        while !isComplete || !String(decoding: bytes.suffix(chunk.count), as: UTF8.self).contains("#end#") {
            var readable = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
            if unsafe poll(&readable, 1, 50) > 0 {
                let count = unsafe read(ends[0], &chunk, chunk.count)
                try #require(count > 0)
                bytes += chunk.prefix(count)
            } else if !isComplete, Journal.flush(within: .zero) {
                isComplete = true
                Logger(label: "library").error("#end#")
            }
        }

        let text = String(decoding: bytes, as: UTF8.self)
        let lines = text.split(separator: "\n").map { $0.dropFirst("2026-05-01 10:00:00.123 ".count) }
        let connected = lines.firstIndex(
            of: "info    listener/test: client a\\u{a}b connected from 127.0.0.1:5 protocol=mqtt")
        let elsewhere = lines.firstIndex(of: "warning listener/test: from elsewhere key=\"some value\"")
        #expect(try #require(connected) < #require(elsewhere), "lines keep their order")
        #expect(!lines.contains { $0.contains("unseen") || $0.contains("unimportant") })
        #expect(lines.count { $0.contains("broke the protocol") } <= 20)
        #expect(lines.contains { $0.contains("more lines like protocol_violation were held back") })
        #expect(lines.contains { $0.contains("log lines were dropped: they came too fast") })
        let exits = lines.count { $0.contains("ended: ") }
        #expect(exits > 1000 && exits < 8000)
    }
}
