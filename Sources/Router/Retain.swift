// Retained messages: kept at PUBLISH. Called for every PUBLISH with the flag, and for wills. Nothing here is fatal.

import EventLoop
import Journal
import MQTT
import Messages
import Store

extension Router {
    /// Asks whether a message can be kept as it must be, and keeps it for later subscribers if it is to be retained.
    ///
    /// A limit never ends the publisher's connection, where it can be told: it would come back with the same message,
    /// over and over. MQTT 5 and JSON are told in the answer to the one message. Where there is no such answer, at QoS 0
    /// and in MQTT 3.1.1, subscribers get a message that is one retained too many, and only later ones do not; the
    /// counter and the log say so.
    /// - Parameter isKeptElsewhere: another broker of the cluster retains it, and tells so by itself.
    /// - Returns: false when it was refused: the publisher has been told, and nobody is to get the message.
    @inline(never)
    mutating func admit(_ message: Outgoing, isPayloadInvalid: Bool, isKeptElsewhere: Bool = false) -> Bool {
        if isPayloadInvalid {
            // Said to be text, and is not (MQTT 5 §3.3.2.3.2).
            count(.publishesRefused)
            answerPublication(.payloadFormatInvalid)
            return false
        }
        if message.isOfTheBroker {
            count(.publishesDenied)
            answerPublication(.notAuthorized)
            return false
        }
        if isStoreFull, message.qos > 0, mustBeStored(message) {
            count(.storeRefused)
            answerPublication(.quotaExceeded)
            return false
        }
        guard message.retain, !isKeptElsewhere, !retain(message) else { return true }
        let publisher = publication.publisher
        // Without an identifier it is QoS 0, or a JSON request that asks for no answer.
        guard publication.packetIdentifier != 0,
            sessions[publisher].version == ProtocolVersion.v5.rawValue || sessions[publisher].isJSON
        else { return true }
        answerPublication(.quotaExceeded)
        return false
    }

    /// Whether a message is one that must survive a power cut once it is acknowledged.
    private mutating func mustBeStored(_ message: Outgoing) -> Bool {
        if message.retain { return true }
        if !sleepers.isEmpty { wake(for: message) }
        let rows = tree.match(message.bytes.extracting(0..<message.topicLength).octets)
        return rows.indices.contains { row in
            let recipient = tree[row]
            return recipient.isGroup || (recipient.qos > 0 && sessions[Int(recipient.session)].isDurable)
        }
    }

    /// Keeps, replaces or clears the topic's retained message [MQTT-3.3.1-5, 3.3.1-6].
    /// - Returns: false when a limit is reached, which is counted and logged.
    mutating func retain(_ message: Outgoing) -> Bool {
        let topic = message.bytes.octets.extracting(0..<message.topicLength)
        let isClear = message.bytes.byteCount - message.propertiesLength == message.topicLength
        let stamp = nextStamp(topic)
        if isClear {
            // In a cluster it is to be known for a while, against what others retained before and tell later.
            let isKnown =
                isShared(topic) && !isStoreFull && retained.cleared < retained.limits.cleared
                && keepRetained(message, expiresAt: max(1, now &+ Self.clearedFor), stamp: stamp)
            if !isKnown { removeRetained(topic) }
        } else {
            guard !isStoreFull else {
                count(.storeRefused)
                return false
            }
            guard keepRetained(message, expiresAt: expiry(of: message), stamp: stamp) else { return false }
        }
        if stamp != 0 { replicate(topic) }
        return true
    }

    /// Forgets the topic's retained message, if there is one.
    mutating func removeRetained(_ topic: Span<UInt8>) {
        noteRetained(topic)
        guard retained.find(topic) != none || isLoadingRetained else { return }
        retained.clear(topic)
        log.removeRetained(topic.raw)
        publication.needsCommit = true
    }

    /// Keeps a message for later subscribers, or that its topic was cleared.
    /// - Returns: false when a limit is reached, which is counted and logged.
    mutating func keepRetained(_ message: Outgoing, expiresAt: UInt32, stamp: UInt64) -> Bool {
        let octets = message.bytes.octets
        let payloadEnd = octets.count - message.propertiesLength
        let topic = octets.extracting(0..<message.topicLength)
        noteRetained(topic)
        do throws(RetainedRefused) {
            try retained.set(
                topic, payload: octets.extracting(message.topicLength..<payloadEnd),
                properties: octets.extracting(payloadEnd..<octets.count), qos: message.qos, expiresAt: expiresAt,
                stamp: stamp)
        } catch {
            count(refusal(error))
            let (limit, most) =
                switch error {
                case .tooManyMessages: ("limits.retained_messages", "\(retained.limits.messages) messages")
                case .tooManyBytes: ("limits.retained_bytes", "\(retained.limits.bytes) bytes")
                }
            // A topic may be 64 KiB long; a line shows its beginning.
            let name = text(message.bytes.extracting(0..<min(message.topicLength, 256)).array)
            Journal.log(.limitReached, [.limit: limit, .reason: "\(most) may be retained, not that of \(name)"])
            return false
        }
        log.putRetained(
            MessageHead(
                topicLength: UInt16(message.topicLength), propertiesLength: UInt32(message.propertiesLength),
                expiresAt: UInt64(expiresAt)), qos: message.qos, stamp: stamp, message.bytes)
        publication.needsCommit = true
        return true
    }

    func refusal(_ reason: RetainedRefused) -> RouterCounter {
        switch reason {
        case .tooManyMessages: .retainedRefused
        case .tooManyBytes: .retainedBytesRefused
        }
    }
}
