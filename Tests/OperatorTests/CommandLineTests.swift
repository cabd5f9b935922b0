import ArgumentParser
import Operator
import Testing

@Suite struct CommandLineTests {
    @Test(arguments: [
        "status", "status --json", "--json status", "--socket /s status --counters", "clients -n 5", "kick a",
        "kick -- -a", "restart listener/mqtt", "upgrade", "upgrade --commit", "reload --config c.toml",
        "pub -t a -m -5",
        "pub -t a -m x -q 2 -r -h localhost -p 1 --id i",
        "pub -t a --file - --protocol 3.1", "pub -t a -l --protocol 3.1.1", "sub -t a -t +/# -q 1 -C 1 -W 0.5 -v",
        "sub -t a --json", "bench", "bench -n 1 -q 2 -s 0.5 --size 8 -w 1 -r 10 --json",
        "logs", "logs --client a -f", "logs --json -n 5 -- -x", "passwd f a", "passwd f a --scram",
        "passwd --delete f a",
    ])
    func accepted(line: String) throws {
        _ = try ApusCtl.parseAsRoot(line.split(separator: " ").map(String.init))
    }

    @Test(arguments: [
        ("dance", "dance"), ("clients -n 0", "--limit must be 1 or more"), ("kick", "<client>"),
        ("pub -t a", "one of --message, --file and --lines"), ("pub -m x", "--topic"),
        ("pub -t a -m x -l", "one of --message, --file and --lines"),
        ("pub -t a/# -m x", "a topic name with a wildcard"),
        ("pub -t a -m x -q 3", "must be 0, 1 or 2"), ("pub -t a -m x -p 0", "--port"),
        ("pub -t a -m x -p 65536", "65536"), ("pub -t a -m x --protocol 4", "'3.1', '3.1.1' or '5'"),
        ("pub -t a\u{1b} -m x -l -q 9", "must be 0, 1 or 2"), ("sub", "--topic"),
        ("sub -t a#", "--topic can not be a#"),
        ("sub -t a -C 0", "--count"), ("sub -t a -W 0", "--timeout"), ("sub -t a -W nan", "--timeout"),
        ("bench -n 0", "--pairs"), ("bench --size 7", "--size must be from 8"), ("bench -s 0", "--seconds"),
        ("logs --lines=-1", "--lines"), ("bench -w 30001", "--window"), ("bench -r 0", "--rate"),
        ("passwd f", "<user>"), ("passwd f a:b", "it has a colon"), ("passwd f #a", "it begins with #"),
        ("passwd f a --delete --scram", "exclude each other"),
    ])
    func refused(line: String, words: String) {
        do {
            _ = try ApusCtl.parseAsRoot(line.split(separator: " ").map(String.init))
            Issue.record("was accepted: \(line)")
        } catch {
            #expect(ApusCtl.exitCode(for: error).rawValue == Failure.Status.usage.rawValue)
            #expect(ApusCtl.fullMessage(for: error).contains(words), "\(ApusCtl.fullMessage(for: error))")
        }
    }

    @Test func clientIDs() {
        let long = String(repeating: "x", count: 65_535)
        #expect(throws: Never.self) { try ApusCtl.parseAsRoot(["sub", "-t", "a", "--id", long]) }
        #expect(throws: (any Error).self) { try ApusCtl.parseAsRoot(["sub", "-t", "a", "--id", long + "x"]) }
        #expect(throws: (any Error).self) { try ApusCtl.parseAsRoot(["sub", "-t", "a", "--id", ""]) }
    }

    @Test func helpTellsTheExitStatuses() {
        let help = ApusCtl.helpMessage()
        for status in Failure.Status.allCases { #expect(help.contains("\(status.rawValue) ")) }
    }
}
