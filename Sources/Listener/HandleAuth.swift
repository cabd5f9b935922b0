// AUTH from a client (MQTT 5 §3.15): its next step of an exchange, or the first of one by which it authenticates anew.

import Arena
import CArena
import Connection
import MQTT
import Messages

extension Listener {
    /// Handles an AUTH of a client that was challenged, or is connected.
    /// - Returns: false when it has to wait: it stays where it is.
    mutating func handleAuth(
        _ slot: Int, _ octets: Span<UInt8>, _ offset: Int, _ header: FixedHeader
    ) throws(ProtocolError) -> Bool {
        let packet = try Auth(decoding: octets, at: offset, header: header, version: .v5)
        guard var request = keptRequest(slot), !request.method.isEmpty else {
            throw ProtocolError(
                reason: .protocolError, what: "AUTH without an authentication method", clause: "MQTT-4.12.0-7")
        }
        guard packet.properties.authenticationMethod.map({ Array($0.utf8) }) == request.method else {
            throw ProtocolError(
                reason: .protocolError, what: "AUTH with another method than CONNECT", clause: "MQTT-4.12.1-1")
        }
        switch (packet.reason, auth.open[slot]?.isAsked) {
        case (.continueAuthentication, false): request.kind = .proceed
        case (.reauthenticate, nil): request.kind = .renew
        case (.reauthenticate, _):
            throw ProtocolError(
                reason: .protocolError, what: "AUTH that begins anew before the last one is over",
                clause: "MQTT 5 §4.12.1")
        default:
            throw ProtocolError(
                reason: .protocolError, what: "AUTH that nobody has asked for", clause: "MQTT-4.12.0-3")
        }
        guard mayAsk else {
            awaitTurn(slot)
            return false
        }
        request.data = packet.properties.authenticationData ?? []
        guard keep(request) else {
            exhausted(slot)
            return true
        }
        if state(slot) == .challenged { arena[slot].state = ConnectionState.authenticating.rawValue }
        ask(slot, request)
        return true
    }
}
