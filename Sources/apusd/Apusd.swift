// apusd, the broker's first process: reads the command line and the configuration, and hands over to the supervisor.

import ArgumentParser
import Configuration
import Glibc
import Journal
import Messages
import Supervisor

@main
struct Apusd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apusd", abstract: "The Apus MQTT broker.",
        discussion: """
            Without a file the broker serves MQTT on 127.0.0.1:1883 and WebSockets on 127.0.0.1:2884.
            Exit status: 0 stopped in order, 78 a mistake in the configuration, 1 anything else.
            """,
        version: apusVersion)

    @Option(name: .shortAndLong, help: ArgumentHelp("The configuration file.", valueName: "file"))
    var config: String?

    @Flag(help: "Checks the configuration and exits: 0 where it is right, 78 where it is not.")
    var check = false

    /// The descriptor of what a supervisor has left, for `--check` to read too: asked by that supervisor.
    @Option(help: .hidden)
    var estate: Int32?

    func run() throws {
        let environment = Self.environment()
        let configuration: Configuration
        do throws(ConfigurationErrors) {
            configuration = try Configuration.load(path: config, environment: environment)
        } catch {
            if !check, let problem = error.problems.first {
                Supervisor.notifyFailure(problem.description, status: configurationStatus)
            }
            if check || !Journal.isNative {
                Self.complain(error.description)
            } else {
                Journal.bootstrap(worker: "supervisor")
                for problem in error.problems { Journal.log(.configurationRefused, [.error: problem.description]) }
                Journal.settle()
            }
            throw ExitCode(configurationStatus)
        }
        if check {
            if let status = Supervisor.statusOfPasswords(configuration) { throw ExitCode(status) }
            guard let estate, let problem = Supervisor.problem(ofEstate: estate) else { return }
            Self.complain("apusd: \(problem)")
            throw ExitCode(estateStatus)
        }

        let supervisor: Supervisor
        do {
            // Before the log starts its thread: signals are blocked for all.
            supervisor = try Supervisor(configuration: configuration, path: config, environment: environment)
        } catch {
            Supervisor.notifyFailure("\(error)", status: 1)
            Journal.bootstrap(worker: "supervisor")
            Journal.log(.startFailed, [.reason: "\(error)"])
            Journal.settle()
            throw ExitCode(1)
        }
        Journal.bootstrap(
            worker: "supervisor", level: configuration.log.level.journal, connections: configuration.log.connections)
        throw ExitCode(try supervisor.run())
    }

    private static func environment() -> [String: String] {
        var variables: [String: String] = [:]
        // Nobody changes the environment while this reads it: there is one thread.
        var next = unsafe environ
        while let variable = unsafe next.pointee {
            let text = unsafe String(cString: variable)
            if let equals = text.firstIndex(of: "=") {
                variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            unsafe next += 1
        }
        return variables
    }

    private static func complain(_ text: String) {
        let line = Array((text + "\n").utf8)
        // The call is told the size of the bytes.
        _ = unsafe write(STDERR_FILENO, line, line.count)
    }
}
