// `apusctl logs`: the broker's part of systemd's journal, for those who do not remember the names of its fields.

import ArgumentParser
import Glibc

struct Logs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what the broker wrote to systemd's journal.",
        discussion: """
            Runs journalctl with what it needs for that; what stands behind -- is passed on to it. Several of \
            --client, --listener and --worker show what meets all of them. Example: the story of one client since the \
            morning, with explanations:

                apusctl logs --client pump-7 --since 08:00 -- -x
            """)

    @ParentCommand var parent: ApusCtl
    @OptionGroup var options: GlobalOptions

    @Option(help: ArgumentHelp("Entries about this client.", valueName: "id"))
    var client: String?

    @Option(help: ArgumentHelp("Entries of this listener and its clients.", valueName: "name"))
    var listener: String?

    @Option(help: ArgumentHelp("Entries of `supervisor`, `router` or `listener/NAME`.", valueName: "worker"))
    var worker: String?

    @Option(help: ArgumentHelp("Entries since then: `1 hour ago`, `today`, `2026-05-01 08:00`.", valueName: "when"))
    var since: String?

    @Option(help: ArgumentHelp("Entries up to then.", valueName: "when"))
    var until: String?

    @Option(
        help: ArgumentHelp(
            "Entries that are at least so important: `err`, `warning`, `notice`, `info`.", valueName: "level"))
    var priority: String?

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("The last so many entries.", valueName: "count"))
    var lines: Int?

    @Flag(name: .shortAndLong, help: "Go on with new entries as they come.")
    var follow = false

    @Option(help: ArgumentHelp("The broker's unit, where it is another than apus.", valueName: "unit"))
    var unit = "apus"

    @Argument(parsing: .postTerminator, help: ArgumentHelp("Options of journalctl.", valueName: "options"))
    var passed: [String] = []

    /// What journalctl is called with, its own name first.
    var command: [String] {
        var command = ["journalctl", "--unit=\(unit)"]
        command.append("--output=" + (options.over(parent.options).json ? "json" : "short-precise"))
        if !options.over(parent.options).json { command.append("--no-hostname") }
        if let since { command.append("--since=\(since)") }
        if let until { command.append("--until=\(until)") }
        if let priority { command.append("--priority=\(priority)") }
        if let lines { command.append("--lines=\(lines)") }
        if follow { command.append("--follow") }
        command += passed
        // The names of the fields: docs/journal.md.
        let fields = [("CLIENT_ID", client), ("LISTENER", listener), ("WORKER", worker)]
        return command + fields.compactMap { name, value in value.map { "APUS_\(name)=\($0)" } }
    }

    func validate() throws {
        if let lines, lines < 0 { throw ValidationError("--lines is a number from 0 on") }
    }

    func run() throws {
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe command.map { unsafe strdup($0) }
        unsafe arguments.append(nil)
        // Safe: a list of C strings that ends with null. It comes back only where it failed.
        unsafe execvp(arguments[0]!, arguments)
        throw Failure(
            .failed,
            "journalctl can not be started (\(unsafe String(cString: strerror(errno)))): this reads systemd's journal, and a broker "
                + "that was started by hand writes to its standard error instead")
    }
}
