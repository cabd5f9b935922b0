// What the journal hears of clients from the router: the entries about one have fields alike, and messages that are dropped
// are counted by session and said once a second. `Run.swift` calls it, and who lets a session go.

import EventLoop
import Journal
import Messages

extension Router {
    /// What all log entries about a session's client say.
    func client(_ number: Int) -> KeyValuePairs<Field, String> {
        let identifier = text(sessions[number].clientIdentifier)
        guard sessions[number].isConnected else { return [.clientID: identifier] }
        return [
            .clientID: identifier, .peer: sessions[number].peer.description,
            .listener: links[Int(sessions[number].link)].listener,
            .protocol: Self.protocolName(sessions[number].version),
        ]
    }

    /// What entries about a client say that is about to get a session.
    func client(_ link: Int, _ frame: ConnectFrame) -> KeyValuePairs<Field, String> {
        [
            .clientID: frame.clientIdentifier.isEmpty ? "-" : text(frame.clientIdentifier),
            .user: text(frame.userName), .peer: frame.peer.description, .listener: links[link].listener,
            .protocol: Self.protocolName(frame.version),
        ]
    }

    /// Whatever carries it: the router does not know.
    private static func protocolName(_ version: UInt8) -> String {
        switch version {
        case 3: "MQTT 3.1"
        case 4: "MQTT 3.1.1"
        case 5: "MQTT 5.0"
        default: "JSON"
        }
    }

    /// A session has lost messages, which is said later.
    mutating func noteDropped(_ number: Int, _ amount: Int) {
        if sessions[number].dropped == 0 { droppers.append(UInt32(number)) }
        sessions[number].dropped &+= UInt32(truncatingIfNeeded: amount)
    }

    /// Says once a second for whom messages were dropped, and how many.
    mutating func logDropped() {
        guard !droppers.isEmpty, seconds != loggedDroppedAt else { return }
        loggedDroppedAt = seconds
        for number in droppers { logDropped(Int(number)) }
        droppers.removeAll(keepingCapacity: true)
    }

    /// Says so of one session, where there is something to be said.
    mutating func logDropped(_ number: Int) {
        guard sessions[number].dropped > 0 else { return }
        let reason =
            number == bridge
            ? "backlog_messages or backlog_bytes of [bridge.rabbitmq] is reached"
            : "limits.queue_messages or limits.queue_bytes is reached, or they came at QoS 0 while others wait in the store"
        Journal.log(
            .messagesDropped, [.count: "\(sessions[number].dropped)", .reason: reason], of: client(number))
        sessions[number].dropped = 0
    }

    func logExpired(_ number: Int) {
        guard Journal.writes(.sessionExpired) else { return }
        Journal.log(.sessionExpired, [.count: "\(sessions[number].queue.waiting)"], of: client(number))
    }
}
