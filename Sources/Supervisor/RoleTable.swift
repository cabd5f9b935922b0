// The role table: which workers there are and how they are wired. Data, read by whoever starts, wires, replaces and
// stops them; reading it is reading the wiring.

package import Configuration
package import Messages

/// One role of the broker.
package struct RoleEntry: Sendable, Equatable {
    package enum Count: Sendable, Equatable {
        /// One in the broker.
        case one
        /// One where the configuration has `[bridge.rabbitmq]`.
        case forBridge
        /// One where the configuration names a source of authentication.
        case forAuthentication
        /// As many as `workers` of each `[[listener]]` says.
        case forEachListener
    }

    package let role: Role
    /// The file in the libexec folder, and what `ps` shows.
    package let executable: String
    /// The roles that it has a channel to. Each pair stands at both its ends.
    package let peers: [Role]
    package let count: Count
    /// Whether a dead one is replaced; where not, the broker ends with it.
    package let restartable: Bool
    /// Whether the broker waits for it before it is ready, and ends where none can work.
    package let isEssential: Bool
    /// Whether it owns an arena and the connections of clients.
    package let holdsConnections: Bool
}

/// Every role, in the order in which they start. They stop in the reverse order.
package let roleTable: [RoleEntry] = [
    RoleEntry(
        role: .router, executable: "apus-router", peers: [.listener, .bridge], count: .one, restartable: true,
        isEssential: true, holdsConnections: false),
    RoleEntry(
        role: .bridge, executable: "apus-bridge", peers: [.router], count: .forBridge, restartable: true,
        isEssential: false, holdsConnections: false),
    RoleEntry(
        role: .auth, executable: "apus-auth", peers: [.listener], count: .forAuthentication, restartable: true,
        isEssential: true, holdsConnections: false),
    RoleEntry(
        role: .listener, executable: "apus-listener", peers: [.router, .auth], count: .forEachListener,
        restartable: true, isEssential: true, holdsConnections: true),
]

extension RoleEntry {
    /// Whether a configuration has the one worker of a role that there may be once.
    package func isWanted(by configuration: Configuration) -> Bool {
        switch count {
        case .one: true
        case .forBridge: configuration.bridge != nil
        case .forAuthentication: configuration.auth.authenticates
        case .forEachListener: false
        }
    }
}

extension Role {
    /// Its row in the table.
    package var entry: RoleEntry {
        // A role without a row is a mistake in the table, found by its test.
        roleTable.first { $0.role == self }!
    }
}
