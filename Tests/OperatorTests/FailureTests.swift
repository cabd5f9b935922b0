import ArgumentParser
import Control
import Operator
import Testing

@Suite struct FailureTests {
    @Test(arguments: [
        (
            ControlFailure.unreachable(path: "/run/apus/control.sock", reason: "no such file"),
            Failure.Status.unreachable,
            "no broker answers on /run/apus/control.sock (no such file): is apus running?"
        ),
        (.notPermitted(path: "/run/apus/control.sock"), .notPermitted, "become root"),
        (.pathTooLong(path: "/x"), .usage, "/x is too long"),
        (.timedOut(seconds: 10), .unreachable, "did not answer within 10 s"),
        (.disconnected, .unreachable, "closed the connection"),
        (.notUnderstood("\u{1b}"), .failed, "\\u{1b}"),
        (.refused(Refusal(.noSuchClient, "no client “a\n” is connected")), .noSuchClient, "“a\\n”"),
        (.refused(Refusal(.reloadFailed, "apus.toml:3: unknown key")), .failed, "apus.toml:3: unknown key"),
        (.refused(Refusal(.notPermitted, "no")), .notPermitted, "no"),
        (.refused(Refusal(.unavailable, "starting")), .unreachable, "starting"),
        (.refused(Refusal(Refusal.Code(rawValue: "of-tomorrow"), "hm")), .failed, "hm"),
    ])
    func statusAndWords(failure: ControlFailure, status: Failure.Status, words: String) {
        #expect(Failure(failure).status == status)
        #expect(Failure(failure).text.contains(words), "\(Failure(failure).text)")
    }

    @Test func statusesAreAnInterface() {
        let values: [Failure.Status: Int32] = [
            .done: 0, .failed: 1, .unreachable: 3, .noSuchClient: 4, .timedOut: 5, .usage: 64, .notPermitted: 77,
            .configuration: 78,
        ]
        #expect(Failure.Status.allCases.allSatisfy { values[$0] == $0.rawValue })
        // What ArgumentParser itself exits with for a wrong command line.
        do {
            _ = try ApusCtl.parseAsRoot(["status", "--nonsense"])
            Issue.record("was accepted")
        } catch {
            #expect(ApusCtl.exitCode(for: error).rawValue == Failure.Status.usage.rawValue)
        }
    }
}
