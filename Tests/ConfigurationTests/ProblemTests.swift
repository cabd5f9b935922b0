import Testing

@testable import Configuration

/// Texts that are refused, and every word of the answer.
@Suite struct ProblemTests {
    private static let inFlight = "is not allowed; it must be an integer from 1 to 65535"
    private static let stop =
        "is not allowed; it must be a duration from 100 ms to 10 min, "
        + "as 5 or \"500 ms\" (units: ms, s, min, h)"

    @Test(
        arguments: [
            (
                "[limits]\npacket_size = \"1 TiB\"", 2, "limits.packet_size",
                "\"1 TiB\" is not allowed; it must be a size from 16 B to 268435455 B, "
                    + "as 4096 or \"8 MiB\" (units: B, KiB, MiB, GiB)"
            ),
            ("\n\n[limits]\nin_flight = 0", 4, "limits.in_flight", "0 \(inFlight)"),
            ("[limits]\nin_flight = 1.5", 2, "limits.in_flight", "a floating-point number \(inFlight)"),
            ("[limits]\nin_flight = true", 2, "limits.in_flight", "true \(inFlight)"),
            ("limits.in_flight = \"10\"", 1, "limits.in_flight", "\"10\" \(inFlight)"),
            ("limits = {sessions = 1, topic_levels = 0}", 1, "limits.topic_levels", "0 \(inFlight)"),
            (
                "[limits]\nqueue_policy = \"block\"", 2, "limits.queue_policy",
                #""block" is not allowed; it must be one of "drop_oldest", "drop_newest", "disconnect""#
            ),
            (
                "[auth]\nanonymous = \"yes\"", 2, "auth.anonymous",
                #""yes" is not allowed; it must be one of "loopback", true, false"#
            ),
            ("[supervisor]\nstop_timeout = \"1 d\"", 2, "supervisor.stop_timeout", "\"1 d\" \(stop)"),
            ("[supervisor]\nstop_timeout = -1", 2, "supervisor.stop_timeout", "-1 \(stop)"),
            (
                "[log]\nlevel = 3", 2, "log.level",
                #"3 is not allowed; it must be one of "trace", "debug", "info", "notice", "warning", "error""#
            ),
            ("[log]\ncolour = true", 2, "log.colour", "unknown; known here: connections, level"),
            ("log = 1", 1, "log", "must be a table, [log]"),
            ("# a\nstate_dir = \"run\"", 2, "state_dir", "\"run\" is not allowed; it must be an absolute path"),
            (
                "[nothing]\nuri = \"none\"", 1, "nothing",
                "unknown; known here: [[listener]], [auth], [bridge.rabbitmq], [limits], [log], [store], [supervisor], "
                    + "libexec_dir, runtime_dir, server_reference, state_dir, sys_interval"
            ),
            ("listener = 1", 1, "listener", "must be tables, each headed [[listener]]"),
            ("listener = []", 1, "listener", "at least one is needed"),
            ("[listener]\nname = \"a\"", 1, "listener", "must be tables, each headed [[listener]]"),
            ("x = 1\nx = 2", 2, "", nil), ("state_dir = ", 1, "", nil), ("\n[limits", 2, "", nil),
            ("state_dir = \"/a\"\n\0", 2, "", "a NUL character is not allowed"),
        ] as [(String, Int, String, String?)])
    func oneProblem(_ text: String, _ line: Int, _ key: String, _ message: String?) throws {
        let error = try #require(throws: ConfigurationErrors.self) { try parse(text) }
        #expect(error.problems.map(\.line) == [line])
        #expect(error.problems.map(\.key) == [key])
        if let message {
            #expect(error.problems.map(\.message) == [message])
        } else {
            #expect(error.description.contains(": not valid TOML: "))
        }
    }

    private let head = "[[listener]]\nname = \"a\"\nprotocol = \"mqtt\"\nbind = \"127.0.0.1:1\"\n"

    @Test(arguments: [
        ("workers = 65", 5, "workers", "65 is not allowed; it must be an integer from 1 to 64"),
        ("port = 1", 5, "port", "unknown; known here: backlog, bind, hosts, name, origins, protocol, standby, workers"),
        ("origins = [\"*\"]", 5, "origins", "is only for protocol = \"websocket\""),
    ]) func oneProblemInAListener(_ text: String, _ line: Int, _ key: String, _ message: String) {
        #expect(problems(head + text) == ["apus.toml:\(line): listener[0].\(key): \(message)"])
    }

    @Test(arguments: [
        ("name", "\"\""), ("name", "\"A\""), ("name", "\"a_b\""), ("name", "\"\(String(repeating: "a", count: 33))\""),
        ("origins", "[\"http://a/b\"]"), ("origins", "[\"a\"]"), ("origins", "[\"https://\"]"), ("origins", "\"same\""),
        ("origins", "[1]"), ("hosts", "[\"\"]"), ("hosts", "[\"a:1\"]"), ("protocol", "\"http\""), ("bind", "1883"),
    ]) func refusedInAListener(_ key: String, _ value: String) {
        var fields = ["name": "\"a\"", "protocol": "\"websocket\"", "bind": "\"127.0.0.1:1\""]
        fields[key] = value
        let found = problems("[[listener]]\n" + fields.map { "\($0) = \($1)\n" }.joined())
        #expect(found.count == 1)
        #expect(found.allSatisfy { $0.contains("listener[0].\(key): ") && $0.contains("must be") }, "\(found)")
    }

    @Test func listenersMustDiffer() {
        let second = head.replacing("\"127.0.0.1:1\"", with: "\"localhost:1\"")
        #expect(
            problems(head + second) == [
                "apus.toml:6: listener[1].name: \"a\" is the name of an earlier listener; it must be unique",
                "apus.toml:8: listener[1].bind: 127.0.0.1:1 is taken by the listener \"a\"",
            ])
        let anyPort = head.replacing(":1\"", with: ":0\"")
        #expect(problems(anyPort + anyPort.replacing("\"a\"", with: "\"b\"")) == [])
    }

    @Test func whatAListenerNeeds() {
        #expect(
            problems("\n[[listener]]\nworkers = 2\n[[listener]]\n") == [
                "apus.toml:2: listener[0].name: is missing; it must be 1 to 32 of a-z, 0-9 and -, unique",
                "apus.toml:2: listener[0].protocol: is missing; it must be one of \"mqtt\", \"websocket\"",
                "apus.toml:2: listener[0].bind: is missing; it must be \(Configuration.Address.allowed)",
                "apus.toml:4: listener[1].name: is missing; it must be 1 to 32 of a-z, 0-9 and -, unique",
                "apus.toml:4: listener[1].protocol: is missing; it must be one of \"mqtt\", \"websocket\"",
                "apus.toml:4: listener[1].bind: is missing; it must be \(Configuration.Address.allowed)",
            ])
    }

    @Test func allProblemsOfAFileAreToldInItsOrder() {
        let found = problems(
            """
            colour = "red"          # unknown
            [log]
            level = "loud"
            [[listener]]
            name = "a"
            protocol = "mqtt"
            bind = "nowhere"
            [limits]
            queue_policy = '''
            wait'''
            in_flight = 0
            """)
        let places = found.map { $0.split(separator: ":")[1] }
        #expect(places == ["1", "3", "7", "9", "11"])
    }

    /// What an operator sees must not be broken by what the file holds.
    @Test func valuesAreQuoted() {
        #expect(
            problems("[log]\nlevel = \"a\\\"b\\nc\\u001b\"") == [
                #"apus.toml:2: log.level: "a\"b\u000ac\u001b" is not allowed; it must be one of "trace", "debug", "#
                    + #""info", "notice", "warning", "error""#
            ])
    }
}
