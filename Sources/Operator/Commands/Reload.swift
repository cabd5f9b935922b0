// `apusctl reload`: what `systemctl reload` calls. It returns when the configuration is in force, and fails when it
// was refused.

import ArgumentParser
package import Control

struct Reload: ControlCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read the configuration again and apply what can change without a restart.",
        discussion: "Returns when it has been done. Fails where the new configuration is refused; the old one stays.")

    @ParentCommand var parent: ApusCtl
    @OptionGroup var options: GlobalOptions

    func run() throws {
        var control = try connect()
        let report = try control.reload()
        if allOptions.json {
            try printJSON(report)
        } else {
            try Output.print(describe(report))
        }
    }
}

/// What a reload did, in lines for people.
package func describe(_ report: ReloadReport) -> String {
    if report.applied.isEmpty && report.needsRestart.isEmpty { return "reloaded, nothing has changed\n" }
    let applied = report.applied.map { "applied: \(escaped($0))\n" }
    let later = report.needsRestart.map { "needs a restart (systemctl restart apus): \(escaped($0))\n" }
    return (applied + later).joined()
}
