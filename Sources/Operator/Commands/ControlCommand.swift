// What the commands that talk to the supervisor have in common.

import ArgumentParser
import Control
import FoundationEssentials

protocol ControlCommand: ParsableCommand {
    var parent: ApusCtl { get }
    var options: GlobalOptions { get }
}

extension ControlCommand {
    /// The options before and behind the subcommand.
    var allOptions: GlobalOptions { options.over(parent.options) }

    func connect() throws(Failure) -> ControlClient {
        let options = allOptions
        return try Operator.connect(
            toFirstOf: socketCandidates(
                socket: options.socket, config: options.config,
                environment: ProcessInfo.processInfo.environment))
    }

    /// How to show tables here.
    var style: Style {
        Style(isTerminal: Output.isTerminal, environment: ProcessInfo.processInfo.environment)
    }
}

/// Prints a value as JSON: on a terminal indented, for programs on one line.
func printJSON(_ value: some Encodable) throws {
    try Output.print(JSON.encode(value, pretty: Output.isTerminal) + [UInt8(ascii: "\n")])
}
