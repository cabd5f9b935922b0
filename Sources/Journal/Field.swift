// The names of what a log line can say besides its text. Each exists once, here; a name is both the key in a readable
// line and, in capitals after APUS_, the journal's field: `journalctl APUS_CLIENT_ID=pump-7`.

package enum Field: String, Sendable, CaseIterable {
    /// The process that the line is about, or that wrote it: `supervisor`, `router`, `listener/mqtt`.
    case worker
    /// The listener's name in the configuration.
    case listener
    /// Counts the processes that have had one place; a replacement has a higher one.
    case generation
    case pid
    case clientID = "client_id"
    /// The other end of a connection, as `ADDRESS:PORT`.
    case peer
    /// An address that is listened on.
    case address
    case bytes
    case `protocol`
    /// Why, in words.
    case reason
    /// How a process ended: an exit status or a signal.
    case status
    /// Duration in milliseconds.
    case duration = "duration_ms"
    case count
    /// The name of the limit in the configuration, as `limits.packet_size`.
    case limit
    case topic
    case file
    case key
    case version
    case error

    /// `APUS_` and the name in capitals.
    var journalName: String { "APUS_" + rawValue.uppercased() }
}
