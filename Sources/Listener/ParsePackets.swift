// Cuts a stream of MQTT into packets and handles each. PUBLISH and its acknowledgements are the hot path and are
// handled here; everything else goes by the connection machine's verdict.

import Arena
import CArena
import Connection
import EventLoop
import MQTT
import Messages

extension Listener {
    /// Handles the packets in `bytes` as far as they are complete, and there is credit.
    @inline(__always)
    mutating func parsePackets(_ slot: Int, _ bytes: RawSpan) -> Progress {
        var progress = Progress()
        let octets = bytes.octets
        var tally = InputTally()
        defer { add(tally) }
        if arena[slot].state != ConnectionState.connected.rawValue, state(slot).holdsInput, octets.count > 0 {
            hold(slot)
            return progress
        }
        do throws(ProtocolError) {
            var version = ProtocolVersion(rawValue: arena[slot].version) ?? .v3_1_1
            while progress.consumed < octets.count {
                guard let header = try FixedHeader.read(octets, at: progress.consumed, version: version) else { break }
                let length = header.packetLength
                guard length <= Int(settings.packetSize) else {
                    count(.packetsTooLarge)
                    throw ProtocolError(
                        reason: .packetTooLarge, what: "a packet above limits.packet_size", clause: "MQTT-3.1.2-24")
                }
                guard octets.count &- progress.consumed >= length else {
                    progress.needed = length
                    break
                }
                if header.type == .publish, arena[slot].state == ConnectionState.connected.rawValue {
                    guard try publish(slot, bytes, progress.consumed, header, version, &tally) else { break }
                } else {
                    guard try handle(slot, bytes, progress.consumed, header) else { break }
                    let state = state(slot)
                    if state.holdsInput || !state.isOpen {
                        tally.packets &+= 1
                        // What follows CONNECT waits for its answer, even if it is malformed.
                        if state.holdsInput {
                            progress.consumed &+= length
                            if progress.consumed < octets.count { hold(slot) }
                        }
                        break
                    }
                    version = ProtocolVersion(rawValue: arena[slot].version) ?? .v3_1_1
                }
                progress.consumed &+= length
                tally.packets &+= 1
            }
        } catch {
            violate(slot, error)
        }
        return progress
    }

    /// Hands a PUBLISH to the router.
    /// - Returns: false when there is no credit: the packet stays where it is.
    @inline(__always)
    private mutating func publish(
        _ slot: Int, _ bytes: RawSpan, _ offset: Int, _ header: FixedHeader, _ version: ProtocolVersion,
        _ tally: inout InputTally
    ) throws(ProtocolError) -> Bool {
        guard hasCredit(.work) else {
            hold(slot)
            return false
        }
        let packet = try PublishHeader(bytes.octets, at: offset, header: header, version: version)
        #if APUS_LAYOUT_VARIANT
            trap(bytes.extracting(packet.topic))
        #endif
        if version == .v5 {
            guard try publishVersion5(slot, bytes, packet, header.flags) else { return false }
            tally.messages &+= 1
            tally.payload &+= packet.payload.count
            return true
        }
        try checkLevels(bytes, packet.topic)
        guard
            var frame = arena.appendFrame(PublishFrame.headByteCount &+ packet.topic.count &+ packet.payload.count)
        else {
            hold(slot)
            return false
        }
        PublishFrame.writeHead(
            to: &frame, slot: UInt32(truncatingIfNeeded: slot), generation: arena[slot].generation,
            packetIdentifier: packet.packetIdentifier, flags: header.flags, topicLength: packet.topic.count,
            payloadLength: packet.payload.count, propertiesLength: 0)
        frame.copy(bytes.extracting(packet.topic), at: PublishFrame.headByteCount)
        frame.copy(bytes.extracting(packet.payload), at: PublishFrame.headByteCount &+ packet.topic.count)
        tally.messages &+= 1
        tally.payload &+= packet.payload.count
        return true
    }

    /// The same for MQTT 5: aliases are resolved, quota is kept, properties travel behind the payload.
    @inline(never)
    private mutating func publishVersion5(
        _ slot: Int, _ bytes: RawSpan, _ packet: PublishHeader, _ flags: UInt8
    ) throws(ProtocolError) -> Bool {
        if packet.qos != .atMostOnce {
            // [MQTT-3.3.4-9]: beyond the receive maximum that CONNACK named.
            guard arena[slot].receive_window > 0 else {
                count(.inFlightExceeded)
                throw ProtocolError(
                    reason: .receiveMaximumExceeded, what: "more messages in flight than the receive maximum",
                    clause: "MQTT-3.3.4-9")
            }
        }
        let topic = try resolveTopic(slot, bytes, packet)
        // The answer, 0x99, is the router's: it comes in its order [MQTT-4.6.0-2].
        let isInvalid = packet.isText && !UTF8.isValidPayload(bytes.octets, packet.payload)
        let alias = packet.topicAliasProperty
        let propertiesLength = packet.properties.count - alias.count
        let length =
            PublishFrame.headByteCount + topic.byteCount + packet.payload.count + propertiesLength
        guard var frame = arena.appendFrame(length) else {
            hold(slot)
            return false
        }
        PublishFrame.writeHead(
            to: &frame, slot: UInt32(slot), generation: arena[slot].generation,
            packetIdentifier: packet.packetIdentifier,
            flags: isInvalid ? flags | PublishFrame.payloadInvalid : flags, topicLength: topic.byteCount,
            payloadLength: packet.payload.count, propertiesLength: propertiesLength)
        var position = PublishFrame.headByteCount
        frame.copy(topic, at: position)
        position += topic.byteCount
        frame.copy(bytes.extracting(packet.payload), at: position)
        position += packet.payload.count
        if alias.isEmpty {
            frame.copy(bytes.extracting(packet.properties), at: position)
        } else {
            let before = packet.properties.lowerBound..<alias.lowerBound
            frame.copy(bytes.extracting(before), at: position)
            frame.copy(bytes.extracting(alias.upperBound..<packet.properties.upperBound), at: position + before.count)
        }
        if packet.qos != .atMostOnce { arena[slot].receive_window -= 1 }
        return true
    }

    /// The topic of a PUBLISH, which may be an alias's, or set one [MQTT-3.3.2-8 ... 3.3.2-12].
    @_lifetime(copy bytes)
    private mutating func resolveTopic(
        _ slot: Int, _ bytes: RawSpan, _ packet: PublishHeader
    ) throws(ProtocolError) -> RawSpan {
        let alias = packet.topicAlias
        let topic = bytes.extracting(packet.topic)
        if alias != 0 {
            guard alias <= settings.topicAliases else {
                throw ProtocolError(
                    reason: .topicAliasInvalid, what: "a topic alias above the maximum", clause: "MQTT-3.3.2-9")
            }
            if topic.byteCount == 0 {
                guard let known = arena.topic(ofAlias: alias, slot: slot) else {
                    throw ProtocolError(
                        reason: .topicAliasInvalid, what: "a topic alias that stands for nothing",
                        clause: "MQTT-3.3.2-12")
                }
                return known
            }
            try checkLevels(bytes, packet.topic)
            guard arena.setTopic(topic, ofAlias: alias, maximum: settings.topicAliases, slot: slot) else {
                throw ProtocolError(
                    reason: .quotaExceeded, what: "no memory for a topic alias", clause: "MQTT-4.13.2-1")
            }
            return topic
        }
        try checkLevels(bytes, packet.topic)
        return topic
    }

    /// Topics beyond the limits are refused; short ones can not have too many levels and cost nothing.
    @inline(__always)
    private mutating func checkLevels(_ bytes: RawSpan, _ topic: Range<Int>) throws(ProtocolError) {
        if topic.count >= Int(settings.topicLevels) || topic.count > Int(settings.topicLength) {
            try checkLongTopic(bytes.octets.extracting(topic))
        }
    }

    @inline(never)
    mutating func checkLongTopic(_ topic: Span<UInt8>) throws(ProtocolError) {
        guard isWithinLimits(topic) else {
            throw ProtocolError(
                reason: .topicNameInvalid, what: "a topic beyond limits.topic_levels or limits.topic_length",
                clause: "MQTT-3.3.2-1")
        }
    }

    /// Whether a topic or filter is one that the limits allow; counted where it is not.
    mutating func isWithinLimits(_ topic: Span<UInt8>) -> Bool {
        guard topic.count <= Int(settings.topicLength) else {
            count(.topicsTooLong)
            return false
        }
        var levels = 1
        for index in topic.indices where topic[index] == UInt8(ascii: "/") { levels += 1 }
        guard levels <= Int(settings.topicLevels) else {
            count(.topicsTooDeep)
            return false
        }
        return true
    }

    /// Handles a packet that is not a PUBLISH of a connected client.
    /// - Returns: false when it has to wait: it stays where it is.
    @inline(never)
    private mutating func handle(
        _ slot: Int, _ bytes: RawSpan, _ offset: Int, _ header: FixedHeader
    ) throws(ProtocolError) -> Bool {
        let version = ProtocolVersion(rawValue: arena[slot].version)
        let octets = bytes.octets
        switch PacketVerdict.of(header.type, in: state(slot), version: version) {
        case .acknowledge:
            guard hasCredit(.acknowledgement) else {
                hold(slot)
                return false
            }
            let packet = try AckHeader(octets, at: offset, header: header, version: version ?? .v3_1_1)
            let refused: UInt8 = packet.reason.isFailure ? 8 : 0
            appendAcknowledgement(kind: header.type.rawValue | refused, slot, packet.packetIdentifier)
            if header.type == .puback || header.type == .pubcomp || (header.type == .pubrec && refused != 0) {
                arena.settled(packet.packetIdentifier, slot: slot, keepsWindow: keepsWindow(slot))
            }
        case .ping:
            try Ping.check(header)
            appendPacket(slot, [0xD0, 0x00])
        case .wait:
            hold(slot)
            return false
        case .publish, .subscribe, .unsubscribe, .connect:
            guard hasCredit(.work) else {
                hold(slot)
                return false
            }
            switch header.type {
            case .connect: return try handleConnect(slot, octets, offset, header)
            case .subscribe: try handleSubscribe(slot, octets, offset, header)
            default: try handleUnsubscribe(slot, octets, offset, header)
            }
        case .disconnect:
            try handleDisconnect(slot, octets, offset, header)
        case .authenticate:
            return try handleAuth(slot, octets, offset, header)
        case .violation(let error):
            throw error
        }
        return true
    }

    /// Ends a connection that broke the protocol: counted, logged, and told where its version can be.
    /// - Parameter user: for the log, where no CONNECT is kept.
    @inline(never)
    mutating func violate(_ slot: Int, _ error: ProtocolError, user: String? = nil) {
        count(error.reason == .malformedPacket ? .malformedPackets : .protocolErrors)
        logViolation(slot, error.description, code: error.reason, user: user)
        close(slot, error.reason, tellClient: true, detail: "protocol violation", reasonString: error.what)
    }
}

/// What the packets of one piece of input add to the counters, which are touched once for all of them.
struct InputTally {
    var packets = 0
    var messages = 0
    var payload = 0
}

extension Listener {
    @inline(__always)
    private mutating func add(_ tally: InputTally) {
        count(.packetsReceived, by: tally.packets)
        count(.messagesReceived, by: tally.messages)
        count(.payloadBytesReceived, by: tally.payload)
    }
}
