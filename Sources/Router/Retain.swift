// Retained messages: kept at PUBLISH, given to new subscriptions a part a turn.

import Journal
import MQTT
import Messages

/// What a new subscription still has to get.
struct RetainedReplay {
    var session: UInt32
    var generation: UInt32
    var link: Int32
    var filter: [UInt8]
    var qos: UInt8
    var identifier: UInt32
    var cursor: RetainedSet.Cursor
}

extension Router {
    /// Retained messages that one turn gives out.
    private static var budget: Int { 256 }

    /// Keeps, replaces or clears the topic's retained message [MQTT-3.3.1-5, 3.3.1-6].
    /// - Returns: false when it was refused: the publisher has been told.
    mutating func retain(_ link: Int, _ publisher: Int, _ frame: PublishFrame, _ message: RawSpan) -> Bool {
        if store(message.array, frame.topicLength, frame.propertiesLength, frame.qos) { return true }
        count(.retainedRefused)
        if frame.qos == 2 { sessions[publisher].incoming.remove(frame.packetIdentifier) }
        refuse(link, publisher, frame.qos == 2 ? .pubrec : .puback, frame.packetIdentifier, .quotaExceeded)
        return false
    }

    /// - Returns: false when a limit is reached.
    mutating func store(_ bytes: [UInt8], _ topicLength: Int, _ propertiesLength: Int, _ qos: UInt8) -> Bool {
        let payloadEnd = bytes.count - propertiesLength
        let topic = bytes.span.extracting(0..<topicLength)
        if payloadEnd == topicLength {
            retained.clear(topic)
            return true
        }
        do {
            try retained.set(
                topic, payload: bytes.span.extracting(topicLength..<payloadEnd),
                properties: bytes.span.extracting(payloadEnd..<bytes.count), qos: qos)
            return true
        } catch {
            Journal.log(.limitReached, [.limit: "limits.retained_messages", .reason: "\(error)"])
            return false
        }
    }

    /// Begins to give a new subscription what is retained under its filter.
    mutating func replayRetained(_ number: Int, _ filter: [UInt8], qos: UInt8, identifier: UInt32) {
        replays.append(
            RetainedReplay(
                session: UInt32(number), generation: sessions[number].generation, link: sessions[number].link,
                filter: filter, qos: qos, identifier: identifier, cursor: RetainedSet.Cursor()))
        continueReplays()
    }
}
