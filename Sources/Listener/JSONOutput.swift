// The JSON protocol, to the client: messages, and the answers to requests.

import Arena
import CArena
import Connection
import EventLoop
import MQTT
import Messages
import WebSocket

extension Listener {
    /// Delivers a message as text; it is encoded once, however many JSON clients get it.
    mutating func deliverJSON(
        _ bytes: RawSpan, _ message: Int, _ frame: DeliverFrame, _ recipient: SlotEntry, _ slot: Int
    ) {
        let topic = bytes.extracting(message..<(message + frame.topicLength))
        let start = message + frame.topicLength
        let payload = bytes.extracting(start..<(start + frame.payloadLength))
        if recipient.retain {
            if json.retainedText.isEmpty { json.retainedText = encode(topic, payload, retain: true) }
            appendMessage(slot, .text, json.retainedText)
        } else {
            if json.plainText.isEmpty { json.plainText = encode(topic, payload, retain: false) }
            appendMessage(slot, .text, json.plainText)
        }
        if recipient.qos > 0 {
            expectConfirmation(slot, recipient.packetIdentifier)
        }
    }

    private func encode(_ topic: RawSpan, _ payload: RawSpan, retain: Bool) -> [UInt8] {
        let delivery = JSONDelivery.measure(topic: topic, payload: payload, retain: retain)
        var text = [UInt8](repeating: 0, count: delivery.length)
        var span = text.mutableSpan
        var bytes = unsafe span.mutableBytes
        delivery.write(topic: topic, payload: payload, to: &bytes, at: 0)
        return text
    }

    /// Notes that a delivery counts as acknowledged once TCP has acknowledged the output up to here.
    private mutating func expectConfirmation(_ slot: Int, _ packetIdentifier: UInt16) {
        guard arena.hasRecord(slot) else { return }
        arena.touchRecord(slot)
        guard var entry = arena.append(Self.deliveryByteCount, to: .deliveries, slot: slot) else {
            return exhausted(slot)
        }
        entry.store(arena[slot].produced, at: 0)
        entry.store(UInt64(packetIdentifier), at: 8)
        json.unconfirmed.insert(slot)
    }

    /// Bytes of a delivery in its queue.
    private static var deliveryByteCount: Int { 16 }

    /// Acknowledges to the router what the client's TCP has acknowledged.
    mutating func confirmJSONDeliveries() {
        guard !json.unconfirmed.isEmpty else { return }
        for slot in json.unconfirmed {
            guard state(slot) == .connected, arena.hasRecord(slot), hasCredit(.acknowledgement) else {
                if state(slot) != .connected { json.unconfirmed.remove(slot) }
                continue
            }
            let taken = arena[slot].sent &- UInt64(unacknowledgedBytes(sockets[slot].descriptor))
            let deliveries = arena.bytes(of: .deliveries, slot: slot)
            guard deliveries.byteCount > 0, deliveries.load64(at: 0) <= taken else { continue }
            arena.beginStep(slot)
            arena.touchRecord(slot)
            acknowledgements.count = 0
            var confirmed = 0
            while confirmed < deliveries.byteCount, deliveries.load64(at: confirmed) <= taken {
                let identifier = UInt16(truncatingIfNeeded: deliveries.load64(at: confirmed + 8))
                appendAcknowledgement(kind: PacketType.puback.rawValue, slot, identifier)
                arena.settled(identifier, slot: slot, keepsWindow: keepsWindow(slot))
                confirmed += Self.deliveryByteCount
            }
            let isLast = confirmed == deliveries.byteCount
            arena.removeFirst(confirmed, from: .deliveries, slot: slot)
            arena.endStep()
            if isLast { json.unconfirmed.remove(slot) }
        }
    }

    /// Whether the client's own `connect` is what its oldest request asks for.
    private func askedToConnect(_ slot: Int) -> Bool {
        arena.hasRecord(slot) && arena[record: slot].flags & RecordFlags.askedToConnect != 0
    }

    /// The client's session stands. Only a `connect` of the client's own has left a request to answer.
    mutating func acknowledgeJSONConnect(_ slot: Int) {
        guard askedToConnect(slot) else { return }
        arena.touchRecord(slot)
        arena[record: slot].flags &= ~RecordFlags.askedToConnect
        answerJSON(slot, 1, [])
    }

    /// The client gets no session.
    mutating func refuseJSONConnect(_ slot: Int, _ reason: ReasonCode) {
        answerJSON(slot, askedToConnect(slot) ? 1 : 0, [reason.rawValue])
    }

    /// The router has accepted a publish.
    mutating func acknowledgeJSON(_ slot: Int) { answerJSON(slot, 1, []) }

    /// Answers the oldest request; `packetIdentifier` is 0 where the request carried no `Id`. Failures are always told.
    mutating func answerJSON(_ slot: Int, _ packetIdentifier: UInt16, _ reasons: [UInt8]) {
        let identifier = packetIdentifier == 0 ? nil : takeRequest(slot)
        if let failure = reasons.map(ReasonCode.init(rawValue:)).first(where: \.isFailure) {
            let id = identifier ?? []
            appendMessage(slot, .text, JSONReply.error(code(failure), reason: failure.description, id: id.span))
        } else if let identifier {
            appendMessage(slot, .text, JSONReply.ack(id: identifier.span))
        }
    }

    /// The `Id` of the oldest request that is not answered.
    private mutating func takeRequest(_ slot: Int) -> [UInt8]? {
        guard arena.hasRecord(slot) else { return nil }
        let requests = arena.bytes(of: .requests, slot: slot)
        guard requests.byteCount > 0 else { return nil }
        let length = Int(requests.load32(at: 0))
        let identifier = (0..<length).map { requests.load8(at: 4 + $0) }
        arena.touchRecord(slot)
        arena.removeFirst(4 + length, from: .requests, slot: slot)
        return identifier
    }

    /// What the JSON protocol calls a reason of MQTT's.
    private func code(_ reason: ReasonCode) -> JSONErrorCode {
        switch reason {
        case .notAuthorized: .forbidden
        case .badUserNameOrPassword, .banned, .clientIdentifierNotValid: .notAuthorized
        case .topicFilterInvalid, .topicNameInvalid, .sharedSubscriptionsNotSupported: .invalid
        case .packetTooLarge: .tooLarge
        case .sessionTakenOver: .conflict
        default: .unavailable
        }
    }
}
