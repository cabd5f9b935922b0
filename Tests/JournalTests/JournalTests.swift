import Glibc
import Logging
import Synchronization
import Testing

@testable import Journal

/// The whole way, once, because a process has one log: events and plain swift-log lines to a pipe which
/// at first nobody reads.
@Suite struct JournalTests {
    @Test func linesAreWrittenWithoutEverBlockingTheCaller() async throws {
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

        let reader = ends[0]
        let text = Mutex("")
        let thread = Task.detached {
            var chunk = [UInt8](repeating: 0, count: 65_536)
            var bytes: [UInt8] = []
            // Other suites run in this process, and what they log may follow.
            while true {
                let count = unsafe read(reader, &chunk, chunk.count)
                guard count > 0 else { break }
                let start = max(0, bytes.count - 6)
                bytes += chunk.prefix(count)
                if String(decoding: bytes[start...], as: UTF8.self).contains("#end#") { break }
            }
            text.withLock { $0 = String(decoding: bytes, as: UTF8.self) }
        }
        #expect(Journal.flush(within: .seconds(20)))
        Logger(label: "library").error("#end#")
        await thread.value

        let lines = text.withLock { $0 }.split(separator: "\n").map { $0.dropFirst("2026-05-01 10:00:00.123 ".count) }
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
