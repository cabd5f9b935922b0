// In a cluster each message has its effect once: what goes to the bridge gets a number that is on disk before it goes, and what
// comes from there with a number is compared with those that have come.

import EventLoop
import MQTT
import Messages

extension Router {
    /// Whether a session's messages are numbered.
    @inline(__always)
    func isNumbered(_ number: Int) -> Bool { number == bridge && settings.bridge?.isCluster == true }

    /// The number of a message for the bridge, as the property that it goes with.
    mutating func nextIdentity(_ qos: UInt8) -> [UInt8] {
        lastIdentity &+= 1
        return MessageIdentity(number: lastIdentity, qos: qos).property
    }

    /// Handles a PUBLISH frame of the bridge's that says where its message comes from.
    ///
    /// - Parameter offset: where the frame begins in `bytes`.
    mutating func publishOnce(
        _ link: Int, _ bytes: RawSpan, _ offset: Int, _ frame: PublishFrame
    ) throws(FrameError) {
        guard links[link].role == .bridge else { throw FrameError("an origin from who is no bridge") }
        let start = offset + PublishFrame.headByteCount
        let end = start + frame.messageLength
        let origin = try MessageOrigin(endOf: bytes.extracting((end - frame.propertiesLength)..<end))
        let message = Outgoing(
            bytes.extracting(start..<(end - origin.byteCount)), topicLength: frame.topicLength,
            propertiesLength: frame.propertiesLength - origin.byteCount, qos: min(origin.identity.qos, 2),
            retain: frame.retain)
        let verdict = seen.verdict(origin, at: links[link].frameStart)
        if verdict == .repeated || verdict == .same && !replay.isActive {
            count(.messagesRepeated)
            // The first may still be on its way to the disk, or wait for its receivers.
            writeLingering(all: true)
            publication.needsCommit = true
            return answerPublication()
        }
        let isForBrokers = message.isOfTheBroker
        if isForBrokers {
            // What is not understood is refused like a client's.
            guard hearCluster(message) || admit(message, isPayloadInvalid: false) else { return }
        } else if message.retain && !frame.isKeptElsewhere && !replay.isStored || isStoreFull {
            guard admit(message, isPayloadInvalid: false, isKeptElsewhere: frame.isKeptElsewhere) else { return }
        }
        if verdict == .new {
            seen.insert(origin, at: links[link].frameStart)
            // Where nothing can be written it counts as taken all the same.
            if !isStoreFull { publication.needsCommit = true }
        }
        if !isForBrokers {
            if replay.isActive { routeAnew(message) } else { route(message) }
        }
        answerPublication()
    }
}
