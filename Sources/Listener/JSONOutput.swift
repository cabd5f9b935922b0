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
            let end = arena[slot].produced
            json.sessions[slot]?.deliveries.append((end, recipient.packetIdentifier))
            json.unconfirmed.insert(slot)
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

    /// Acknowledges to the router what the client's TCP has acknowledged.
    mutating func confirmJSONDeliveries() {
        guard !json.unconfirmed.isEmpty else { return }
        for slot in json.unconfirmed {
            guard state(slot) == .connected, json.sessions[slot] != nil, hasCredit(.acknowledgement) else {
                if state(slot) != .connected { json.unconfirmed.remove(slot) }
                continue
            }
            let taken = arena[slot].sent &- UInt64(unacknowledgedBytes(sockets[slot].descriptor))
            let deliveries = json.sessions[slot]?.deliveries ?? []
            let confirmed = deliveries.prefix { $0.end <= taken }
            guard !confirmed.isEmpty else { continue }
            arena.beginStep(slot)
            acknowledgements.count = 0
            for delivery in confirmed {
                appendAcknowledgement(kind: PacketType.puback.rawValue, slot, delivery.packetIdentifier)
            }
            arena.endStep()
            json.sessions[slot]?.deliveries.removeFirst(confirmed.count)
            if confirmed.count == deliveries.count { json.unconfirmed.remove(slot) }
        }
    }

    /// The client's session stands. Only a `connect` of the client's own has left a request to answer.
    mutating func acknowledgeJSONConnect(_ slot: Int) {
        guard json.sessions[slot]?.askedToConnect == true else { return }
        json.sessions[slot]?.askedToConnect = false
        answerJSON(slot, 1, [])
    }

    /// The client gets no session.
    mutating func refuseJSONConnect(_ slot: Int, _ reason: ReasonCode) {
        answerJSON(slot, json.sessions[slot]?.askedToConnect == true ? 1 : 0, [reason.rawValue])
    }

    /// The router has accepted a publish.
    mutating func acknowledgeJSON(_ slot: Int) { answerJSON(slot, 1, []) }

    /// Answers the oldest request; `packetIdentifier` is 0 where the request carried no `Id`. Failures are always told.
    mutating func answerJSON(_ slot: Int, _ packetIdentifier: UInt16, _ reasons: [UInt8]) {
        let identifier = packetIdentifier == 0 ? nil : json.sessions[slot]?.takeRequest()
        if let failure = reasons.map(ReasonCode.init(rawValue:)).first(where: \.isFailure) {
            let id = identifier ?? []
            appendMessage(slot, .text, JSONReply.error(code(failure), reason: failure.description, id: id.span))
        } else if let identifier {
            appendMessage(slot, .text, JSONReply.ack(id: identifier.span))
        }
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
