import Operator
import Testing

@Suite struct SocketPathTests {
    private func candidates(
        socket: String? = nil, config: String? = nil, _ environment: [String: String] = [:]
    ) throws -> [String] {
        try socketCandidates(socket: socket, config: config, environment: environment) {
            file throws(Failure) in
            if file == "bad.toml" { throw Failure(.configuration, "bad") }
            return "/folder/of/\(file)"
        }
    }

    @Test func whatIsNamedIsTaken() throws {
        let environment = ["RUNTIME_DIRECTORY": "/run/a", "XDG_RUNTIME_DIR": "/run/user/1"]
        #expect(try candidates(socket: "/s", config: "c.toml", environment) == ["/s"])
        #expect(try candidates(config: "c.toml", environment) == ["/folder/of/c.toml/control.sock"])
        #expect(throws: Failure(.configuration, "bad")) { try candidates(config: "bad.toml") }
    }

    @Test func theUsualPlaces() throws {
        #expect(try candidates() == ["/run/apus/control.sock", "run/runtime/control.sock"])
        #expect(
            try candidates(["RUNTIME_DIRECTORY": "/run/a:/run/b", "XDG_RUNTIME_DIR": "/run/user/1"]) == [
                "/run/a/control.sock", "/run/b/control.sock", "/run/apus/control.sock",
                "/run/user/1/apus/control.sock", "run/runtime/control.sock",
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
