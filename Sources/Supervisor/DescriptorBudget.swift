// How many clients fit into the descriptors that this process may have: one a client, and what the broker itself needs.

/// The budget, computed at start.
package struct DescriptorBudget: Sendable, Equatable {
    /// For ports, logs, the control socket and operators on it, and for duplicates of sockets that wait to be sent.
    private static let ownDescriptors = 1024
    /// Control channel, arena, two ends of a channel, twice: a successor exists beside its predecessor.
    private static let workerDescriptors = 8

    /// What is kept for the broker itself.
    package let reserved: Int
    /// The most clients: what the configuration allows, as far as it fits.
    package let connections: Int
    package let isCapped: Bool

    /// - Parameters:
    ///   - wanted: `limits.connections`.
    ///   - available: RLIMIT_NOFILE.
    package init(wanted: Int, available: Int, workers: Int) {
        // Where the limit is very low (256 on some systems), half of it is for clients nevertheless.
        reserved = min(Self.ownDescriptors + workers * Self.workerDescriptors, available / 2)
        connections = min(wanted, available - reserved)
        isCapped = connections < wanted
    }
}
