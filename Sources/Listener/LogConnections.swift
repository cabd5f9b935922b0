// The journal's lines about connections: one when a client has connected, one when it has gone, one when it was refused
// or broke the protocol.

import Arena
import CArena
import Connection
import Journal
import MQTT
import Messages

extension Listener {
    /// What all entries about a connection's client say.
    private func client(_ slot: Int) -> KeyValuePairs<Field, String> {
        let identifier = arena.clientIdentifier(slot)
        return [
            .clientID: identifier.isEmpty ? "-" : text(identifier), .user: user(slot), .peer: peer(slot).description,
            .protocol: protocolName(slot),
        ]
    }

    func logConnected(_ slot: Int) {
        guard Journal.writes(.clientConnected) else { return }
        Journal.log(.clientConnected, of: client(slot))
    }

    /// A client was not let in.
    ///
    /// - Parameters:
    ///   - words: why, where the reason code alone does not tell.
    ///   - identifier: where the slot does not have it.
    ///   - user: where no CONNECT is kept.
    func logRefused(
        _ slot: Int, _ reason: ReasonCode, _ words: String? = nil, identifier: String? = nil, user: String? = nil
    ) {
        let said: KeyValuePairs<Field, String> = [
            .reason: words ?? reason.description, .reasonCode: Self.digits(reason), .user: user ?? self.user(slot),
        ]
        guard let identifier else { return Journal.log(.clientRefused, said, of: client(slot)) }
        Journal.log(
            .clientRefused, said,
            of: [.clientID: identifier, .peer: peer(slot).description, .protocol: protocolName(slot)])
    }

    /// - Parameter state: what the connection was in before it was closed.
    func logEnd(_ slot: Int, _ state: ConnectionState, _ reason: ReasonCode, _ detail: String?) {
        guard Journal.writes(state == .connected ? .clientDisconnected : .connectionAbandoned) else { return }
        let words = [detail, reason == .success || reason == .unspecifiedError ? nil : reason.description]
            .compactMap { $0 }.joined(separator: ": ")
        let said: KeyValuePairs<Field, String> = [.reason: words, .reasonCode: Self.digits(reason)]
        if state == .connected {
            Journal.log(.clientDisconnected, said, of: client(slot))
        } else if state == .connecting || arena[cold: slot].client_id_length > 0 {
            Journal.log(.connectionAbandoned, said, of: client(slot))
        } else {
            // Nobody has said who he is; scanners and health checks do that all day.
            Journal.log(.connectionAbandoned, said, of: [.peer: peer(slot).description])
        }
    }

    /// - Parameters:
    ///   - code: nil where it is not MQTT that was broken.
    ///   - user: where no CONNECT is kept.
    func logViolation(_ slot: Int, _ reason: String, code: ReasonCode? = nil, user: String? = nil) {
        Journal.log(
            .protocolViolation,
            [
                .reason: reason, .reasonCode: code.map { Self.digits($0) } ?? "", .user: user ?? self.user(slot),
            ], of: client(slot))
    }

    /// - Parameter bytes: the first of what the connection had sent.
    func logDeadlyInput(_ slot: Int, _ bytes: [UInt8]) {
        let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
        Journal.log(.inputEndedWorker, [.bytes: digits], of: client(slot))
    }

    /// What the client calls its user; empty: nothing.
    private func user(_ slot: Int) -> String { text(keptConnect(slot)?.userName ?? []) }

    /// A reason code as specifications write it.
    static func digits(_ reason: ReasonCode) -> String {
        let digits = String(reason.rawValue, radix: 16, uppercase: true)
        return "0x" + (digits.count < 2 ? "0" : "") + digits
    }

    private func protocolName(_ slot: Int) -> String {
        switch (transport(slot), arena[slot].version) {
        case (.webSocketJSON, _): "JSON"
        case (let transport, let version):
            (version == 5 ? "MQTT 5.0" : version == 3 ? "MQTT 3.1" : version == 4 ? "MQTT 3.1.1" : "MQTT")
                + (transport == .mqtt ? "" : " over WebSocket")
        }
    }
}
