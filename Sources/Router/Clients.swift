// Sessions by their clients: one client identifier names one session [MQTT-3.1.3-2].

import EventLoop

/// Finds the number of a session by the identifier of its client, which lies in the session.
struct ClientTable: ~Copyable {
    private var table = NumberTable()
    private let hasher: TopicHasher

    init(seed: UInt64 = .random(in: .min ... .max)) { hasher = TopicHasher(seed: seed) }

    var count: Int { table.count }

    fileprivate func hash(_ identifier: [UInt8]) -> UInt32 {
        UInt32(truncatingIfNeeded: hasher.hash(identifier.span))
    }

    fileprivate func probe(_ hash: UInt32) -> NumberTable.Probe { table.probe(hash) }

    /// nil: there are no more with that hash.
    fileprivate func next(_ probe: inout NumberTable.Probe) -> UInt32? {
        let number = table.next(&probe)
        return number == 0 ? nil : number - 1
    }

    /// Notes a client that has no session yet.
    mutating func insert(_ number: UInt32, _ identifier: [UInt8]) { table.insert(number + 1, hash: hash(identifier)) }

    mutating func remove(_ number: UInt32, _ identifier: [UInt8]) { table.remove(number + 1, hash: hash(identifier)) }
}

extension Router {
    /// The number of a client's session; nil: it has none, or one that is only in the store.
    func session(ofClient identifier: [UInt8]) -> UInt32? {
        var probe = clients.probe(clients.hash(identifier))
        while let number = clients.next(&probe) {
            if sessions[Int(number)].clientIdentifier == identifier { return number }
        }
        return nil
    }
}
