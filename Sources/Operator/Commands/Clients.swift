// `apusctl clients`: who is connected.

import ArgumentParser
package import Control

struct Clients: ControlCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the connected clients.", discussion: "With --json one array of objects.")

    @ParentCommand var parent: ApusCtl
    @OptionGroup var options: GlobalOptions

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Show at most so many.", valueName: "count"))
    var limit: Int?

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit must be 1 or more, it is \(limit)") }
    }

    func run() throws {
        var control = try connect()
        var clients: [ClientReport] = []
        try control.clients(limit: limit ?? .max) { clients.append($0) }
        if allOptions.json {
            try printJSON(clients)
        } else {
            try Output.print(describe(clients, style))
        }
    }
}

/// The clients in lines for people.
package func describe(_ clients: [ClientReport], _ style: Style) -> String {
    var table = Table(
        ("CLIENT", .left), ("LISTENER", .left), ("PEER", .left), ("PROTOCOL", .left), ("CONNECTED", .left),
        ("KEEP-ALIVE", .right), ("SUBSCRIPTIONS", .right))
    for client in clients {
        table.add(
            client.clientID, client.listener, client.peer, client.protocol, span(seconds: client.connected),
            client.keepAlive == 0 ? "-" : "\(client.keepAlive) s", "\(client.subscriptions)")
    }
    return table.text(style)
}
