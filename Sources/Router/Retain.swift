// Retained messages: kept at PUBLISH. Called for every PUBLISH with the flag, and for wills. Nothing here is fatal.

import Journal
import MQTT
import Messages

extension Router {
    /// Keeps, replaces or clears the topic's retained message [MQTT-3.3.1-5, 3.3.1-6].
    ///
    /// A limit never ends the publisher's connection: it would come back with the same message, over and over. What can
    /// be told is told, by MQTT 5 and JSON in the answer to the one message. Where there is no such answer, at QoS 0
    /// and in MQTT 3.1.1, subscribers get the message and only later ones do not; the counter and the log say so.
    /// - Returns: false when it was refused: the publisher has been told, and nobody is to get the message.
    mutating func retain(_ link: Int, _ publisher: Int, _ frame: PublishFrame, _ message: RawSpan) -> Bool {
        if store(message, frame.topicLength, frame.propertiesLength, frame.qos) { return true }
        let version = sessions[publisher].version
        // Without an identifier it is QoS 0, or a JSON request that asks for no answer.
        guard frame.packetIdentifier != 0, version == ProtocolVersion.v5.rawValue || sessions[publisher].isJSON else {
            return true
        }
        if frame.qos == 2 { sessions[publisher].incoming.remove(frame.packetIdentifier) }
        refuse(link, publisher, frame.qos == 2 ? .pubrec : .puback, frame.packetIdentifier, .quotaExceeded)
        return false
    }

    /// - Returns: false when a limit is reached, which is counted and logged.
    mutating func store(_ bytes: RawSpan, _ topicLength: Int, _ propertiesLength: Int, _ qos: UInt8) -> Bool {
        let octets = bytes.octets
        let payloadEnd = octets.count - propertiesLength
        let topic = octets.extracting(0..<topicLength)
        if payloadEnd == topicLength {
            retained.clear(topic)
            return true
        }
        do throws(RetainedRefused) {
            try retained.set(
                topic, payload: octets.extracting(topicLength..<payloadEnd),
                properties: octets.extracting(payloadEnd..<octets.count), qos: qos)
            return true
        } catch {
            count(.retainedRefused)
            let (limit, most) =
                switch error {
                case .tooManyMessages: ("limits.retained_messages", "\(retained.limits.messages) messages")
                case .tooManyBytes: ("limits.retained_bytes", "\(retained.limits.bytes) bytes")
                }
            // A topic may be 64 KiB long; a line shows its beginning.
            let name = text(bytes.extracting(0..<min(topicLength, 256)).array)
            Journal.log(.limitReached, [.limit: limit, .reason: "\(most) may be retained, not that of \(name)"])
            return false
        }
    }
}
