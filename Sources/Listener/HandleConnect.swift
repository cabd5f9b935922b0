// CONNECT: checked here as far as a listener can, then put to the router, which owns the sessions.

import Arena
import CArena
import Connection
import Journal
import MQTT
import Messages

extension Listener {
    /// Handles a client's first packet.
    /// - Returns: false when it has to wait: it stays where it is.
    mutating func handleConnect(
        _ slot: Int, _ octets: Span<UInt8>, _ offset: Int, _ header: FixedHeader
    ) throws(ProtocolError) -> Bool {
        // The version decides how a refusal looks, so it is noted before anything can fail.
        arena[slot].version = Connect.refusalVersion(octets, at: offset, header: header)?.rawValue ?? 0
        let connect = try Connect(decoding: octets, at: offset, header: header)
        arena[slot].version = connect.version.rawValue
        keepWishes(slot, connect)
        // Whoever is refused has a name in the log.
        arena.setClientIdentifier(Array(connect.clientIdentifier.utf8), slot: slot)
        do throws(ProtocolError) {
            try checkTerms(connect)
        } catch {
            violate(slot, error, user: connect.username)
            return true
        }
        let request = authRequest(slot, connect)
        guard request != nil || mayConnect(slot) else {
            count(.connectionsRefused)
            logRefused(
                slot, .notAuthorized, "anonymous clients are allowed only as auth.anonymous says",
                user: connect.username)
            close(slot, .notAuthorized, tellClient: true, isLogged: true)
            return true
        }
        if request != nil, !mayAsk {
            awaitTurn(slot)
            return false
        }
        let properties = connect.properties
        arena[cold: slot].keep_alive = keepAlive(connect)
        arena[slot].receive_window = settings.inFlight
        if sessionExpiry(connect) > 0 { arena[slot].flags |= SlotFlags.sessionOutlives }
        let frame = ConnectFrame(
            slot: UInt32(slot), generation: arena[slot].generation,
            acceptNumber: arena[cold: slot].accept_number, peer: peer(slot), version: connect.version.rawValue,
            cleanStart: connect.cleanStart, keepAlive: arena[cold: slot].keep_alive,
            sessionExpiry: sessionExpiry(connect), receiveMaximum: properties.receiveMaximum ?? 65_535,
            maximumPacketSize: properties.maximumPacketSize ?? 0,
            clientIdentifier: Array(connect.clientIdentifier.utf8),
            userName: Array((connect.username ?? "").utf8), will: will(connect))
        guard let request else {
            arena[slot].state = ConnectionState.connecting.rawValue
            put(frame)
            return true
        }
        authenticate(request, frame)
        return true
    }

    /// What the client wants of every packet that it gets, the refusal of this one included.
    private mutating func keepWishes(_ slot: Int, _ connect: Connect) {
        let properties = connect.properties
        arena[cold: slot].maximum_packet_size = properties.maximumPacketSize ?? 0
        if properties.requestProblemInformation == false { arena[slot].flags |= SlotFlags.wantsNoReasons }
        // [MQTT-3.1.2-26], [MQTT-3.1.2-27]
        let aliases = min(properties.topicAliasMaximum ?? 0, UInt16(settings.givenTopicAliases))
        arena[cold: slot].aliases_allowed = UInt8(aliases)
        if aliases > 0 { arena[slot].flags |= SlotFlags.takesAliases }
    }

    /// Terms that this broker does not grant.
    private mutating func checkTerms(_ connect: Connect) throws(ProtocolError) {
        if connect.properties.authenticationMethod != nil, !settings.authenticates {
            throw ProtocolError(
                reason: .badAuthenticationMethod, what: "an authentication method that is not known",
                clause: "MQTT-4.12.0-1")
        }
        guard connect.clientIdentifier.utf8.count <= Int(settings.clientIdentifierLength) else {
            count(.clientIdentifiersTooLong)
            throw ProtocolError(
                reason: .clientIdentifierNotValid, what: "a client identifier above limits.client_id_length",
                clause: "MQTT-3.1.3-8")
        }
        guard let will = connect.will else { return }
        try checkLongTopic(will.topic.utf8.span)
        if will.properties.payloadFormatIndicator == true,
            !UTF8.isValidPayload(will.payload.span, 0..<will.payload.count)
        {
            throw ProtocolError(
                reason: .payloadFormatInvalid, what: "a will that is not the UTF-8 text that it is said to be",
                clause: "MQTT 5 §3.1.3.2.3")
        }
    }

    /// Whether a client that has proved nothing may connect from where it is.
    func mayConnect(_ slot: Int) -> Bool {
        switch settings.anonymous {
        case .allowed: true
        case .refused: false
        // Behind a proxy the address is the proxy's.
        case .loopback: peer(slot).isLoopback && arena[slot].flags & SlotFlags.forwarded == 0
        }
    }

    /// The keep-alive in force: what the client asks for, or the configuration's maximum [MQTT-3.1.2-21].
    private func keepAlive(_ connect: Connect) -> UInt16 {
        let maximum = settings.keepAliveMaximum
        guard connect.version == .v5, maximum > 0 else { return connect.keepAlive }
        return connect.keepAlive == 0 ? maximum : min(connect.keepAlive, maximum)
    }

    private func sessionExpiry(_ connect: Connect) -> UInt32 {
        connect.version == .v5
            ? connect.properties.sessionExpiryInterval ?? 0 : connect.cleanStart ? 0 : UInt32.max
    }

    private func will(_ connect: Connect) -> ConnectFrame.Will? {
        guard let will = connect.will else { return nil }
        var forwarded = will.properties
        forwarded.willDelayInterval = nil
        var properties: [UInt8] = []
        if connect.version == .v5 {
            forwarded.encode(into: &properties)
            // The frame carries them without their length, which was just written in front of them.
            properties.removeFirst((properties.firstIndex { $0 < 0x80 } ?? 0) + 1)
        }
        return ConnectFrame.Will(
            qos: will.qos.rawValue, retain: will.retain, delay: will.properties.willDelayInterval ?? 0,
            topic: Array(will.topic.utf8), payload: will.payload, properties: properties)
    }

    /// The router's answer: the client hears it, and what it sent meanwhile is handled.
    mutating func answerConnect(_ answer: ConnackFrame) {
        let slot = Int(answer.slot)
        guard state(slot) == .connecting else { return }
        let reason = ReasonCode(rawValue: answer.reasonCode)
        guard !reason.isFailure else {
            count(.connectionsRefused)
            logRefused(slot, reason)
            if transport(slot) == .webSocketJSON { refuseJSONConnect(slot, reason) }
            let isFull = reason == .quotaExceeded && !settings.serverReference.isEmpty
            return close(slot, isFull ? .useAnotherServer : reason, tellClient: true, isLogged: true)
        }
        let assigned = arena[cold: slot].client_id_length == 0
        if assigned { arena.setClientIdentifier(answer.clientIdentifier, slot: slot) }
        let packet = connack(slot, answer, assigned: assigned)
        // A connection without room for CONNACK never comes about.
        guard fits(packet, slot) else { return appendAnswer(slot, packet) }
        arena[slot].state = ConnectionState.connected.rawValue
        noteAccepted(answer)
        guard state(slot) == .connected else { return }
        logConnected(slot)
        if transport(slot) == .webSocketJSON { return acknowledgeJSONConnect(slot) }
        appendPacket(slot, packet)
        authenticationIsTold(slot)
    }

    /// The CONNACK that accepts; nothing for a client that speaks JSON.
    private func connack(_ slot: Int, _ answer: ConnackFrame, assigned: Bool) -> [UInt8] {
        guard let version = ProtocolVersion(rawValue: arena[slot].version) else { return [] }
        var connack = Connack(sessionPresent: answer.sessionPresent)
        if version == .v5 {
            if assigned { connack.properties.assignedClientIdentifier = text(answer.clientIdentifier) }
            connack.properties.sessionExpiryInterval = answer.sessionExpiry
            connack.properties.receiveMaximum = settings.inFlight
            connack.properties.maximumPacketSize = settings.packetSize
            connack.properties.topicAliasMaximum = settings.topicAliases
            if settings.keepAliveMaximum > 0 { connack.properties.serverKeepAlive = arena[cold: slot].keep_alive }
            noteAuthentication(slot, in: &connack.properties)
        }
        var packet: [UInt8] = []
        connack.encode(into: &packet, version: version)
        return packet
    }

    /// CONNACK with a reason to refuse; nothing for a version that has no such answer.
    mutating func appendConnackRefusal(_ slot: Int, _ reason: ReasonCode, _ words: StaticString?) {
        // A version that is not ours is refused in the words of 3.1.1 [MQTT-3.1.2-2] or those of 5 above it.
        let version = ProtocolVersion(rawValue: arena[slot].version) ?? .v3_1_1
        if version == .v5 {
            return appendRefusal(slot, reason, words) {
                Connack(reason: reason, properties: $0).encode(into: &$1, version: .v5)
            }
        }
        var packet: [UInt8] = []
        Connack(reason: reason).encode(into: &packet, version: version)
        if !packet.isEmpty { appendPacket(slot, packet) }
    }

    func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
