// The root of the command line: what apusctl can do, and how it ends. main.swift calls ``ApusCtl/start()``.

package import ArgumentParser
import Control
import Glibc

/// `apusctl`.
package struct ApusCtl: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "apusctl",
        abstract: "Operate the Apus MQTT broker, and try it out.",
        discussion: """
            status, clients, kick and reload talk to the running broker over its control socket: the one that --socket \
            names, or that of the broker that --config configures, or the first that answers in $RUNTIME_DIRECTORY, \
            /run/apus, $XDG_RUNTIME_DIR/apus, the folder run of the state folder, and ./run/runtime. pub, sub and \
            bench are MQTT clients and need no more than the broker's port. passwd changes a file.

            Exit status: \
            \(Failure.Status.allCases.map { "\($0.rawValue) \($0.meaning)" }.joined(separator: "; ")).
            """,
        subcommands: [
            Status.self, Clients.self, Kick.self, Reload.self, Restart.self, Upgrade.self, Pub.self, Sub.self,
            Bench.self, Logs.self, Passwd.self,
        ])

    @OptionGroup var options: GlobalOptions

    package init() {}

    /// Parses the command line, runs the command and exits.
    package static func start() -> Never {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as Failure {
            if !failure.text.isEmpty { Output.complain(failure.text) }
            Glibc.exit(failure.status.rawValue)
        } catch let failure as ControlFailure {
            let failure = Failure(failure)
            Output.complain(failure.text)
            Glibc.exit(failure.status.rawValue)
        } catch {
            exit(withError: error)
        }
        Glibc.exit(Failure.Status.done.rawValue)
    }
}

/// What may stand before the subcommand and behind it.
struct GlobalOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The broker's configuration file, to find its socket.", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("The broker's control socket.", valueName: "path"))
    var socket: String?

    @Flag(help: "Print JSON for programs.")
    var json = false

    /// These, and where they say nothing what stood before the subcommand.
    func over(_ outer: GlobalOptions) -> GlobalOptions {
        var options = self
        options.config = config ?? outer.config
        options.socket = socket ?? outer.socket
        options.json = json || outer.json
        return options
    }
}
