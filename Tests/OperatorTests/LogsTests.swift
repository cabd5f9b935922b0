import ArgumentParser
import Testing

@testable import Operator

/// What journalctl is called with.
@Suite struct LogsTests {
    private func command(_ line: String) throws -> [String] {
        try #require(try ApusCtl.parseAsRoot(["logs"] + line.split(separator: " ").map(String.init)) as? Logs).command
    }

    @Test func ofItselfItShowsTheUnit() throws {
        #expect(try command("") == ["journalctl", "--unit=apus", "--output=short-precise", "--no-hostname"])
        #expect(try command("--unit apus@two --json") == ["journalctl", "--unit=apus@two", "--output=json"])
    }

    @Test func whatIsLookedForComesLast() throws {
        #expect(
            try command("--client p-7 --listener mqtt --worker listener/mqtt --since today --until now -- -x -r")
                .dropFirst(4)
                == [
                    "--since=today", "--until=now", "-x", "-r", "APUS_CLIENT_ID=p-7", "APUS_LISTENER=mqtt",
                    "APUS_WORKER=listener/mqtt",
                ])
        #expect(
            try command("-f -n 20 --priority warning").dropFirst(4) == ["--priority=warning", "--lines=20", "--follow"])
    }
}
