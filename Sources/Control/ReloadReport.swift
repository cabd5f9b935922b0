// The answer to `reload`: a reload applies a change or says that it can not.

/// What a reload did. Both lists empty: the configuration has not changed.
package struct ReloadReport: Codable, Equatable, Sendable {
    /// The keys that changed and are in force now: `limits.connections`.
    package var applied: [String]
    /// The keys that changed in the file but are in force only after a restart.
    package var needsRestart: [String]

    private enum CodingKeys: String, CodingKey {
        case applied
        case needsRestart = "needs_restart"
    }

    package init(applied: [String], needsRestart: [String]) {
        self.applied = applied
        self.needsRestart = needsRestart
    }
}
