// One line of an answer: a row, or the last line.

/// One line of an answer. On the wire an object with a single key: `status`, `client`, `reload`, `end` or `error`.
package enum Response: Equatable, Sendable {
    /// A row: the only one of `status`.
    case status(StatusReport)
    /// A row: one connected client.
    case client(ClientReport)
    /// A row: the only one of `reload`.
    case reload(ReloadReport)
    /// The last line: all was done. `next` is where `clients` goes on, none where there are no more.
    case end(next: UInt64?)
    /// The last line: not done, or not to its end.
    case error(Refusal)
}

extension Response: Codable {
    private enum CodingKeys: String, CodingKey {
        case status, client, reload, end, error
    }

    private struct End: Codable {
        var next: UInt64?
    }

    package func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .status(let report): try object.encode(report, forKey: .status)
        case .client(let report): try object.encode(report, forKey: .client)
        case .reload(let report): try object.encode(report, forKey: .reload)
        case .end(let next): try object.encode(End(next: next), forKey: .end)
        case .error(let refusal): try object.encode(refusal, forKey: .error)
        }
    }

    package init(from decoder: any Decoder) throws {
        let object = try decoder.container(keyedBy: CodingKeys.self)
        // A kind of row that a newer server added has none of these keys, and fails here.
        guard let key = object.allKeys.first else {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(codingPath: decoder.codingPath, debugDescription: "no known kind of answer"))
        }
        switch key {
        case .status: self = .status(try object.decode(StatusReport.self, forKey: .status))
        case .client: self = .client(try object.decode(ClientReport.self, forKey: .client))
        case .reload: self = .reload(try object.decode(ReloadReport.self, forKey: .reload))
        case .end: self = .end(next: try object.decode(End.self, forKey: .end).next)
        case .error: self = .error(try object.decode(Refusal.self, forKey: .error))
        }
    }
}
