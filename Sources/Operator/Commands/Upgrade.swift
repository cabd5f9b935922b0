// `apusctl upgrade`: go over to newer programs under the clients, and for good with --commit.

import ArgumentParser
package import Control
import Glibc

struct Upgrade: ControlCommand {
    static let configuration = CommandConfiguration(
        abstract: "Go over to the programs on disk without a client noticing.",
        discussion: """
            Where apusd on disk is another one, the supervisor becomes it; then every worker whose program is another one is \
            replaced, one after the other. Returns when all are, and fails where one can not be: then the former one goes on.

            A newer program serves in the layout of the former version, so that this can come back in the same way. Once \
            the new version has proved itself, --commit goes over to its own layout, which the former version does not know.
            """)

    @Flag(help: "Go over to the layout of the running version. There is no way back but a stop.")
    var commit = false

    @ParentCommand var parent: ApusCtl
    @OptionGroup var options: GlobalOptions

    func run() throws {
        let report = try upgraded()
        if allOptions.json {
            try printJSON(report)
        } else {
            try Output.print(describeUpgrade(report))
        }
    }

    /// Asks until the answer comes from the supervisor that stays: the former one's connections end when it is replaced.
    private func upgraded() throws -> StatusReport {
        var isReplaced = false
        for _ in 0..<100 {
            do {
                var control = try connect()
                try control.upgrade(commit: commit)
                return try control.status()
            } catch ControlFailure.disconnected {
                isReplaced = true
            } catch let failure as Failure where isReplaced {
                guard failure.status == .unreachable else { throw failure }
            } catch ControlFailure.refused(let refusal) where isReplaced && refusal.code == .unavailable {}
            usleep(50_000)
        }
        throw ControlFailure.timedOut(seconds: 5)
    }
}

/// What runs after an upgrade, in lines for people.
package func describeUpgrade(_ report: StatusReport) -> String {
    var text = "every process is of Apus \(escaped(report.version)), in layout \(report.layout)\n"
    if report.layout < report.newestLayout {
        text += "apusctl upgrade --commit goes over to layout \(report.newestLayout)\n"
    }
    return text
}
