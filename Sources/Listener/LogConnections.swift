// The journal's lines about connections: one when a client has connected, one when it has gone, one when it was refused
// or broke the protocol.

import Arena
import CArena
import Connection
import Journal
import MQTT
import Messages

extension Listener {
    func logConnected(_ slot: Int) {
        guard Journal.writes(.clientConnected) else { return }
        Journal.log(
            .clientConnected,
            [
                .clientID: text(arena.clientIdentifier(slot)), .user: user(slot), .peer: peer(slot).description,
                .protocol: protocolName(slot),
            ])
    }

    /// - Parameter state: what the connection was in before it was closed.
    func logEnd(_ slot: Int, _ state: ConnectionState, _ reason: ReasonCode, _ detail: String?) {
        guard Journal.writes(state == .connected ? .clientDisconnected : .connectionAbandoned) else { return }
        let words = [detail, reason == .success || reason == .unspecifiedError ? nil : reason.description]
            .compactMap { $0 }.joined(separator: ": ")
        guard state == .connected else {
            // A connection that came to nothing; scanners and health checks do that all day.
            return Journal.log(.connectionAbandoned, [.peer: peer(slot).description, .reason: words])
        }
        Journal.log(
            .clientDisconnected,
            [
                .clientID: text(arena.clientIdentifier(slot)), .user: user(slot), .peer: peer(slot).description,
                .protocol: protocolName(slot), .reason: words, .reasonCode: Self.digits(reason),
            ])
    }

    func logRefused(_ slot: Int, _ clientIdentifier: String, user: String, _ reason: ReasonCode, _ words: String) {
        Journal.log(
            .clientRefused,
            [
                .clientID: clientIdentifier, .user: user, .peer: peer(slot).description, .reason: words,
                .reasonCode: Self.digits(reason),
            ])
    }

    func logViolation(_ slot: Int, _ error: ProtocolError) {
        logViolation(slot, error.description)
    }

    func logViolation(_ slot: Int, _ reason: String) {
        let identifier = arena.clientIdentifier(slot)
        Journal.log(
            .protocolViolation,
            [
                .clientID: identifier.isEmpty ? "-" : text(identifier), .peer: peer(slot).description,
                .protocol: protocolName(slot), .reason: reason,
            ])
    }

    /// - Parameter bytes: the first of what the connection had sent.
    func logDeadlyInput(_ slot: Int, _ bytes: [UInt8]) {
        let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
        Journal.log(
            .inputEndedWorker,
            [
                .clientID: text(arena.clientIdentifier(slot)), .peer: peer(slot).description,
                .protocol: protocolName(slot), .bytes: digits,
            ])
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
