// SUBSCRIBE, UNSUBSCRIBE and DISCONNECT: decoded and checked here, acted upon by the router.

import Arena
import CArena
import Connection
import MQTT
import Messages

extension Listener {
    mutating func handleSubscribe(
        _ slot: Int, _ octets: Span<UInt8>, _ offset: Int, _ header: FixedHeader
    ) throws(ProtocolError) {
        let version = ProtocolVersion(rawValue: arena[slot].version) ?? .v3_1_1
        let packet = try Subscribe(decoding: octets, at: offset, header: header, version: version)
        for entry in packet.filters { try checkFilter(entry.filter) }
        tellRouter(
            SubscribeFrame(
                slot: UInt32(slot), generation: arena[slot].generation, packetIdentifier: packet.packetIdentifier,
                identifier: packet.subscriptionIdentifier ?? 0,
                items: packet.filters.map {
                    SubscribeFrame.Item(filter: Array($0.filter.utf8), options: $0.options.rawValue)
                }))
    }

    mutating func handleUnsubscribe(
        _ slot: Int, _ octets: Span<UInt8>, _ offset: Int, _ header: FixedHeader
    ) throws(ProtocolError) {
        let version = ProtocolVersion(rawValue: arena[slot].version) ?? .v3_1_1
        // A filter beyond the limits is one that nobody has, or has from before a reload: the router knows.
        let packet = try Unsubscribe(decoding: octets, at: offset, header: header, version: version)
        tellRouter(
            UnsubscribeFrame(
                slot: UInt32(slot), generation: arena[slot].generation, packetIdentifier: packet.packetIdentifier,
                filters: packet.filters.map { Array($0.utf8) }))
    }

    mutating func handleDisconnect(
        _ slot: Int, _ octets: Span<UInt8>, _ offset: Int, _ header: FixedHeader
    ) throws(ProtocolError) {
        let version = ProtocolVersion(rawValue: arena[slot].version) ?? .v3_1_1
        let packet = try Disconnect(decoding: octets, at: offset, header: header, version: version)
        if let expiry = packet.properties.sessionExpiryInterval, expiry > 0,
            arena[slot].flags & SlotFlags.sessionOutlives == 0
        {
            throw ProtocolError(
                reason: .protocolError, what: "a session expiry in DISCONNECT where CONNECT had none",
                clause: "MQTT-3.14.2-2")
        }
        // [MQTT-3.14.4-3]: a normal disconnection takes the will with it.
        close(
            slot, packet.reason, tellClient: false, will: packet.reason != .normalDisconnection,
            sessionExpiry: packet.properties.sessionExpiryInterval, detail: "the client disconnected")
    }

    /// Filters beyond the limits are refused.
    mutating func checkFilter(_ filter: String) throws(ProtocolError) {
        guard isWithinLimits(filter.utf8.span) else {
            throw ProtocolError(
                reason: .topicFilterInvalid, what: "a topic filter beyond limits.topic_levels or limits.topic_length",
                clause: "MQTT-4.7.3-1")
        }
    }
}
