// `apusctl status`: the broker, its workers and its listeners.

import ArgumentParser
package import Control

struct Status: ControlCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the broker, its workers and its listeners.",
        discussion: "With --json everything, as one object.")

    @ParentCommand var parent: ApusCtl
    @OptionGroup var options: GlobalOptions

    @Flag(name: .shortAndLong, help: "Show the counters too, those that are not zero.")
    var counters = false

    func run() throws {
        var control = try connect()
        let report = try control.status()
        if allOptions.json {
            try printJSON(report)
        } else {
            try Output.print(describe(report, counters: counters, style))
        }
    }
}

/// The status in lines for people.
package func describe(_ report: StatusReport, counters: Bool, _ style: Style) -> String {
    let connections =
        report.connections == 1 ? "1 connection" : "\(grouped(UInt64(clamping: report.connections))) connections"
    var text =
        "Apus \(escaped(report.version)) is \(escaped(report.state)): up \(span(seconds: report.uptime)), "
        + "\(connections), process \(report.pid)\n"
    if let degraded = report.degraded { text += "Degraded: \(escaped(degraded))\n" }
    if report.layout < report.newestLayout {
        text +=
            "Serves in layout \(report.layout), so that the former version can come back; "
            + "apusctl upgrade --commit goes over to \(report.newestLayout)\n"
    }

    var workers = Table(
        ("WORKER", .left), ("PID", .right), ("GENERATION", .right), ("STATE", .left), ("VERSION", .left),
        ("UP", .left),
        ("RESTARTS", .right), ("CONNECTIONS", .right))
    for worker in report.workers {
        workers.add(
            worker.name == worker.role ? worker.role : "\(worker.role) \(worker.name)",
            worker.pid == 0 ? "-" : "\(worker.pid)", "\(worker.generation)", worker.state,
            (worker.version.map(escaped) ?? "-") + (worker.isOutdated ? " (older than on disk)" : ""),
            worker.pid == 0 ? "-" : span(seconds: worker.uptime), "\(worker.restarts)", "\(worker.connections)")
    }
    text += "\n" + workers.text(style)

    var listeners = Table(
        ("LISTENER", .left), ("PROTOCOL", .left), ("ADDRESS", .left), ("CONNECTIONS", .right), ("WORKERS", .right))
    for listener in report.listeners {
        let address = listener.address.contains(":") ? "[\(listener.address)]" : listener.address
        listeners.add(
            listener.name, listener.protocol, "\(address):\(listener.port)", "\(listener.connections)",
            "\(listener.workers)")
    }
    text += "\n" + listeners.text(style)

    if counters {
        var table = Table(("COUNTER", .left), ("VALUE", .right))
        for (name, value) in report.counters.sorted(by: { $0.key < $1.key }) where value > 0 {
            table.add(name, grouped(value))
        }
        text += "\n" + table.text(style)
    }
    return text
}
