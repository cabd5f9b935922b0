import Logging
import Testing

@testable import Journal

private let moment = LocalTime(year: 2026, month: 5, day: 1, hour: 9, minute: 3, second: 7, millisecond: 42)

private func record(
    _ event: Event?, _ message: String, _ fields: [(key: String, value: String)] = [], level: Logger.Level = .info
) -> Record {
    Record(seconds: 0, nanoseconds: 0, level: level, message: message, event: event, fields: fields)
}

@Suite struct RecordTests {
    @Test func aLineHasTimeLevelWorkerMessageAndFields() {
        let line = record(nil, "hello", [("count", "3"), ("reason", "two words")], level: .warning)
            .line(worker: "router", time: moment)
        #expect(line == "2026-05-01 09:03:07.042 warning router: hello count=3 reason=\"two words\"\n")
    }

    @Test func fieldsThatTheSentenceTellsAreNotRepeated() {
        let fields = [("client_id", "pump"), ("peer", "[::1]:9"), ("protocol", "mqtt"), ("worker", "listener/mqtt")]
        let line = record(.clientConnected, "client pump connected from [::1]:9", fields)
            .line(worker: "listener/mqtt", time: moment)
        #expect(
            line == "2026-05-01 09:03:07.042 info    listener/mqtt: client pump connected from [::1]:9 protocol=mqtt\n")
    }

    @Test(arguments: [
        ("plain", "plain"), ("", "\"\""), ("two words", "\"two words\""), ("a=b", "\"a=b\""),
        ("say \"hi\"", "\"say \\\"hi\\\"\""), ("line\nbreak", "line\\u{a}break"), ("\u{1b}[31mred", "\\u{1b}[31mred"),
        ("back\\slash", "back\\\\slash"), ("nul\0", "nul\\u{0}"), ("grüße", "grüße"),
        ("\u{202e}right to left", "\"\\u{202e}right to left\""), ("\u{2028}", "\\u{2028}"), ("\r\n", "\\u{d}\\u{a}"),
        ("\u{85}", "\\u{85}"), ("\u{a0}", "\"\u{a0}\""),
    ]) func valuesCanNotHarmTheLine(_ value: String, _ shown: String) {
        #expect(Escape.value(value) == shown)
    }

    @Test func whatAClientSaysCanNotStartALine() {
        let line = record(.clientConnected, "client a\n2026-05-01 forged connected from b", [("topic", "x\ny")])
            .line(worker: "listener/mqtt", time: moment)
        #expect(line.split(separator: "\n", omittingEmptySubsequences: false).count == 2)
        #expect(line.contains("client a\\u{a}2026-05-01 forged"))
        #expect(line.contains("topic=x\\u{a}y"))
    }

    @Test func longTextsAreCut() {
        let long = String(repeating: "é", count: 10_000)
        #expect(Escape.cut(long) == String(repeating: "é", count: 512) + "…")
        #expect(record(nil, long, [("client_id", long)]).line(worker: "w", time: moment).utf8.count < 2200)
        #expect(Escape.cut(String(repeating: "x", count: 1024)).count == 1024)
    }

    @Test func journalEntriesHaveFields() {
        let entry = record(
            .clientRefused, "no", [("client_id", "p\nq"), ("user", ""), ("own-key", "v")], level: .notice
        )
        .journalFields(identifier: "apus-listener", always: [("worker", "listener/mqtt"), ("client_id", "overridden")])
        #expect(
            entry == [
                "MESSAGE=no", "PRIORITY=5", "SYSLOG_IDENTIFIER=apus-listener",
                "MESSAGE_ID=868e7ebf85d849c4b032795ea9c36d69",
                "APUS_WORKER=listener/mqtt", "APUS_CLIENT_ID=p\nq", "APUS_OWN_KEY=v",
            ])
    }

    @Test func identifiersAreThoseOfThePrograms() {
        let identifiers = ["supervisor", "router", "listener/mqtt"].map(Writer.identifier(of:))
        #expect(identifiers == ["apusd", "apus-router", "apus-listener"])
    }

    @Test func levelsMapToPriorities() {
        #expect(Logger.Level.allCases.map(\.priority) == [7, 7, 6, 5, 4, 3, 2])
    }
}

@Suite struct QueueTests {
    @Test func whatFindsNoRoomIsCountedAndTheRestKept() {
        var queue = Queue(capacity: 1000)
        for number in 0..<10 { queue.append(record(nil, "\(number)")) }
        let (kept, dropped) = queue.takeAll()
        #expect(kept.map(\.message) == ["0", "1", "2", "3", "4", "5", "6"])
        #expect(dropped == 3)
        queue.append(record(nil, "again"))
        let (again, none) = queue.takeAll()
        #expect(again.map(\.message) == ["again"])
        #expect(none == 0)
    }

    @Test func whatSaysThatLinesAreMissingAlwaysFindsRoom() {
        var queue = Queue(capacity: 100)
        queue.append(record(nil, "line"))
        queue.append(record(nil, "report"), evenIfFull: true)
        let (kept, dropped) = queue.takeAll()
        #expect(kept.map(\.message) == ["report"])
        #expect(dropped == 1)
    }

    @Test func oneLineLargerThanAllRoomIsDropped() {
        var queue = Queue(capacity: 1000)
        queue.append(record(nil, "m", [("topic", String(repeating: "x", count: 2000))]))
        let (kept, dropped) = queue.takeAll()
        #expect(kept.isEmpty && dropped == 1)
    }
}
