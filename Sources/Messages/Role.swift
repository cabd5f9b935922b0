// The roles that a worker can have, as they travel in frames. What each role is wired to stands in the role table of
// the supervisor.

/// What a worker does.
package enum Role: UInt8, Sendable, CaseIterable {
    case listener = 1
    case router = 2
    case bridge = 3
    case auth = 4

    /// The word for it in logs, status and file names.
    package var name: String {
        switch self {
        case .listener: "listener"
        case .router: "router"
        case .bridge: "bridge"
        case .auth: "auth"
        }
    }
}

/// The descriptor at which every worker finds its control channel.
package let controlDescriptor: Int32 = 3
