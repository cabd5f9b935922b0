// `apusctl kick`: disconnect a client.

import ArgumentParser
import Control

struct Kick: ControlCommand {
    static let configuration = CommandConfiguration(
        abstract: "Disconnect a client.",
        discussion: """
            The client may connect again at once. Exit status \(Failure.Status.noSuchClient.rawValue): \
            \(Failure.Status.noSuchClient.meaning). An id that begins with a dash stands behind --.
            """)

    @ParentCommand var parent: ApusCtl
    @OptionGroup var options: GlobalOptions

    @Argument(help: "The client's id, as `apusctl clients --json` shows it.")
    var client: String

    func run() throws {
        var control = try connect()
        try control.kick(client)
        if allOptions.json {
            try printJSON(["kicked": client])
        } else {
            try Output.print("disconnected \(escaped(client))\n")
        }
    }
}
