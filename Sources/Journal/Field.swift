// The names of what a log line can say besides its text. Each exists once, here; a name is both the key in a readable
// line and, in capitals after APUS_, the journal's field: `journalctl APUS_CLIENT_ID=pump-7`.

package enum Field: String, Sendable, CaseIterable {
    case worker
    case listener
    case generation
    case pid
    case clientID = "client_id"
    case user
    case peer
    case address
    case bytes
    case `protocol`
    case reason
    case reasonCode = "reason_code"
    case status
    case duration = "duration_ms"
    case count
    case limit
    case topic
    case file
    case key
    case version
    case error

    /// `APUS_` and the name in capitals.
    var journalName: String { "APUS_" + rawValue.uppercased() }

    /// What it says, as docs/journal.md has it.
    var about: String {
        switch self {
        case .worker:
            "The process that the entry is about, or that wrote it: `supervisor`, `router`, `listener/mqtt`."
        case .listener: "The listener's name in the configuration."
        case .generation: "Counts the processes that have had one place; a replacement has a higher one."
        case .pid: "A process."
        case .clientID: "The client identifier; `-` where none was said."
        case .user: "The user name that the client gave."
        case .peer: "The other end of a connection, as `ADDRESS:PORT`."
        case .address: "An address that is listened on, or that a connection leads to."
        case .bytes: "The first bytes of something, in hexadecimal."
        case .protocol: "What the client speaks, with its version: `MQTT 5.0`, `MQTT 3.1.1 over WebSocket`, `JSON`."
        case .reason: "Why, in words."
        case .reasonCode: "The reason code of MQTT 5 for that (§2.4), as `0x8D`."
        case .status: "How a process ended: an exit status or a signal."
        case .duration: "Milliseconds."
        case .count: "How many."
        case .limit: "The name of a limit in the configuration, as `limits.packet_size`."
        case .topic: "A topic."
        case .file: "A path."
        case .key: "What it is about: a key of the configuration, a kind of entry."
        case .version: "A version of the broker, or of what lies in memory between its processes."
        case .error: "An error, in words."
        }
    }
}
