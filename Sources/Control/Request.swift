// What an operator can ask of the broker. To add a request: a case here, its name, its fields, and its row in Response.

/// A request of the operator.
package enum Request: Equatable, Sendable {
    /// The broker, its workers, listeners and counters: one ``StatusReport``.
    case status
    /// The connected clients, a page at a time: at most `limit` rows (1 to ``maximumClientsPerAnswer``), going on
    /// after `cursor`, which is the `next` of the answer before.
    case clients(limit: Int, cursor: UInt64?)
    /// Disconnect this client.
    case kick(clientID: String)
    /// Read the configuration again and apply what can change without a restart: one ``ReloadReport``. The answer
    /// comes when it has been done.
    case reload
    /// Replace a worker by a new process, without its clients noticing: `router`, `listener/NAME`, or `listener` for all
    /// of them, one after the other. The answer comes when it serves.
    case restart(worker: String)
    /// Go over to the programs on disk, the supervisor's and then each worker's that is another; or, with `commit`, to
    /// the layout that they have brought. The answer comes when it has been done. Where the supervisor itself is
    /// replaced the connection ends first: ask again.
    case upgrade(commit: Bool)
}

extension Request: Codable {
    private enum CodingKeys: String, CodingKey {
        case version, request, limit, cursor, worker, commit
        case clientID = "client_id"
    }

    /// The name on the wire.
    package var name: String {
        switch self {
        case .status: "status"
        case .clients: "clients"
        case .kick: "kick"
        case .reload: "reload"
        case .restart: "restart"
        case .upgrade: "upgrade"
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: CodingKeys.self)
        try object.encode(protocolVersion, forKey: .version)
        try object.encode(name, forKey: .request)
        switch self {
        case .status, .reload: break
        case .clients(let limit, let cursor):
            try object.encode(limit, forKey: .limit)
            try object.encodeIfPresent(cursor, forKey: .cursor)
        case .kick(let clientID):
            try object.encode(clientID, forKey: .clientID)
        case .restart(let worker):
            try object.encode(worker, forKey: .worker)
        case .upgrade(let commit):
            try object.encode(commit, forKey: .commit)
        }
    }

    /// Throws a ``Refusal`` for a version or name that is not known or a value out of its range, and a
    /// `DecodingError` for a field that is missing or has the wrong type.
    package init(from decoder: any Decoder) throws {
        let object = try decoder.container(keyedBy: CodingKeys.self)
        let version = try object.decode(Int.self, forKey: .version)
        guard version == protocolVersion else {
            throw Refusal(
                .unsupportedVersion,
                "apusd speaks version \(protocolVersion) of the control protocol, the request is of version "
                    + "\(version): use the apusctl that came with this apusd")
        }
        switch try object.decode(String.self, forKey: .request) {
        case "status": self = .status
        case "clients":
            let limit = try object.decodeIfPresent(Int.self, forKey: .limit) ?? maximumClientsPerAnswer
            guard 1...maximumClientsPerAnswer ~= limit else {
                throw Refusal(.badRequest, "limit is \(limit): it must be from 1 to \(maximumClientsPerAnswer)")
            }
            self = .clients(limit: limit, cursor: try object.decodeIfPresent(UInt64.self, forKey: .cursor))
        case "kick": self = .kick(clientID: try object.decode(String.self, forKey: .clientID))
        case "reload": self = .reload
        case "upgrade": self = .upgrade(commit: try object.decodeIfPresent(Bool.self, forKey: .commit) ?? false)
        case "restart": self = .restart(worker: try object.decode(String.self, forKey: .worker))
        case let name:
            throw Refusal(
                .unknownRequest,
                "apusd does not know the request “\(name.prefix(64))”: it knows status, clients, kick, reload, restart "
                    + "and upgrade"
            )
        }
    }
}
