// `apusctl restart`: replace a worker by a new process, which serves its clients on.

import ArgumentParser
import Control

struct Restart: ControlCommand {
    static let configuration = CommandConfiguration(
        abstract: "Replace a worker by a new process.",
        discussion: """
            The new process is started from the binary on disk; when it is prepared the former one ends. The clients of a \
            listener stay connected. Returns when the new process serves, and fails where it can not: the former one \
            then goes on.
            """)

    @ParentCommand var parent: ApusCtl
    @OptionGroup var options: GlobalOptions

    @Argument(help: "`router`, `listener/NAME`, or `listener` for all of them, one after the other.")
    var worker: String

    func run() throws {
        var control = try connect()
        try control.restart(worker)
        if allOptions.json {
            try printJSON(["restarted": worker])
        } else {
            try Output.print("\(escaped(worker)) was replaced\n")
        }
    }
}
