import Foundation
import Operator
import Testing

@Suite struct SocketPathTests {
    private let environment = [
        "RUNTIME_DIRECTORY": "/run/a", "XDG_RUNTIME_DIR": "/run/user/1", "STATE_DIRECTORY": "/state",
    ]

    @Test func whatIsNamedIsTaken() throws {
        #expect(try socketCandidates(socket: "/s", config: "c.toml", environment: environment) == ["/s"])
    }

    @Test func theFolderOfAConfigurationFile() throws {
        let file = "/tmp/apus-operator-\(getpid()).toml"
        defer { try? FileManager.default.removeItem(atPath: file) }
        try "runtime_dir = \"/folder\"\n".write(toFile: file, atomically: false, encoding: .utf8)
        #expect(
            try socketCandidates(socket: nil, config: file, environment: environment) == ["/folder/control.sock"])

        try "nonsense = 1\n".write(toFile: file, atomically: false, encoding: .utf8)
        do throws(Failure) {
            _ = try socketCandidates(socket: nil, config: file, environment: environment)
            Issue.record("was accepted")
        } catch {
            #expect(error.status == .configuration)
            #expect(error.text.contains("\(file):1: nonsense"), "\(error.text)")
        }
    }

    @Test func theUsualPlaces() throws {
        let candidates = try socketCandidates(socket: nil, config: nil, environment: environment)
        #expect(candidates.first == "/run/a/control.sock")
        #expect(candidates.last == "run/runtime/control.sock")
        #expect(
            Set(candidates.dropFirst().dropLast()) == [
                "/run/apus/control.sock", "/run/user/1/apus/control.sock", "/state/run/control.sock",
            ])
    }

    @Test func noBrokerAnywhere() {
        do throws(Failure) {
            _ = try connect(toFirstOf: ["/nonexistent/a.sock", "/nonexistent/b.sock"])
            Issue.record("connected")
        } catch {
            #expect(error.status == .unreachable)
            #expect(error.text.contains("/nonexistent/a.sock, /nonexistent/b.sock"))
            #expect(error.text.contains("--socket"))
        }
        // A file that is there but is no socket is what the failure is about.
        do throws(Failure) {
            _ = try connect(toFirstOf: ["/nonexistent/a.sock", "/dev/null"])
            Issue.record("connected")
        } catch {
            #expect(error.text.contains("no broker answers on /dev/null (Connection refused)"), "\(error.text)")
        }
    }
}
