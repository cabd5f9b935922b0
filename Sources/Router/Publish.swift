// The path of a message: from a PUBLISH frame to the Deliver frames of everyone whose subscription matches.

import EventLoop
import MQTT
import Messages
import Store

extension Router {
    /// Handles a PUBLISH frame at `offset` of `bytes`.
    @inline(__always)
    mutating func handlePublish(
        _ link: Int, _ bytes: RawSpan, _ offset: Int, _ header: FrameHead
    ) throws(FrameError) {
        let frame = try PublishFrame(bytes, at: offset, header)
        // A publisher that was taken over or kicked meanwhile has no session any more.
        guard let publisher = session(link, frame.slot, frame.generation) else { return }
        count(.messagesPublished)
        publication.publisher = publisher
        publication.packetIdentifier = frame.packetIdentifier
        publication.debt = noEntry
        publication.needsCommit = false
        publication.kind = PacketType.puback.rawValue
        if frame.qos == 2, !sessions[publisher].isJSON {
            publication.kind = PacketType.pubrec.rawValue
            guard receiveExactlyOnce(publisher, frame.packetIdentifier) else { return }
        }
        if frame.hasOrigin { return try publishOnce(link, bytes, offset, frame) }
        let message = Outgoing(
            bytes.extracting(
                (offset &+ PublishFrame.headByteCount)..<(offset &+ PublishFrame.headByteCount &+ frame.messageLength)),
            topicLength: frame.topicLength, propertiesLength: frame.propertiesLength, qos: frame.qos,
            retain: frame.retain)
        if frame.retain || isStoreFull || message.isOfTheBroker || frame.isPayloadInvalid {
            guard
                admit(
                    message, isPayloadInvalid: frame.isPayloadInvalid, isKeptElsewhere: frame.isKeptElsewhere)
            else { return }
        }
        route(message)
        answerPublication()
    }

    /// The session in a slot, if it is that of the connection with this generation.
    @inline(__always)
    func session(_ link: Int, _ slot: UInt32, _ generation: UInt32) -> Int? {
        guard Int(slot) < links[link].slots.count else { return nil }
        let number = Int(links[link].slots[Int(slot)]) &- 1
        guard number >= 0, sessions[number].generation == generation else { return nil }
        return number
    }

    /// Notes a QoS 2 message's identifier.
    /// - Returns: false for a repetition, which is answered but not routed again [MQTT-4.3.3-2], and for one too many.
    private mutating func receiveExactlyOnce(_ publisher: Int, _ identifier: UInt16) -> Bool {
        let isDurable = sessions[publisher].isDurable
        if sessions[publisher].incoming.contains(identifier) {
            // The first may still be on its way to the disk, or wait for its receivers.
            if isDurable || sessions[publisher].firstPending != noEntry {
                writeLingering(all: true)
                publication.needsCommit = true
            }
            answerPublication()
            return false
        }
        guard sessions[publisher].incoming.count < Int(settings.inFlight) else {
            count(.inFlightExceeded)
            dismiss(publisher, .receiveMaximumExceeded)
            return false
        }
        sessions[publisher].incoming.insert(.init(identifier, .release))
        if isDurable {
            log.putReceived(UInt32(publisher), identifier)
            publication.needsCommit = true
        }
        return true
    }

    /// A refused QoS 2 message's identifier is free again.
    mutating func forgetReceived(_ publisher: Int, _ identifier: UInt16) {
        guard sessions[publisher].incoming.remove(identifier), sessions[publisher].isDurable else { return }
        log.removeReceived(UInt32(publisher), identifier)
    }

    /// Hands a message to every session whose subscriptions match.
    ///
    /// - Parameter anew: a former router may have handed it out: nobody gets it who has it.
    @inline(__always)
    mutating func route(_ message: Outgoing, anew: Bool = false) {
        #if APUS_LAYOUT_VARIANT
            trap(message)
        #endif
        if !sleepers.isEmpty { wake(for: message) }
        let rows = tree.match(message.bytes.extracting(0..<message.topicLength).octets)
        if rows.count == 0 { return }
        for row in rows.indices {
            let recipient = tree[row]
            if recipient.isGroup {
                if anew { deliverToGroupAnew(recipient, message) } else { deliverToGroup(recipient, message) }
            } else if !anew || isDue(Int(recipient.session), recipient, message) {
                deliver(recipient, message)
            }
        }
        finishRoute(message)
    }

    /// Completes what a message has begun.
    @inline(__always)
    mutating func finishRoute(_ message: Outgoing) {
        closeDeliveries()
        if routed != noEntry {
            queues.messages.release(routed)
            routed = noEntry
        }
        if !spills.isEmpty || !unlingering.isEmpty { writeRouted(message) }
        // Ending a session changes the tree, so it waits until the rows of the match are done with.
        while let number = condemned.popLast() { dismiss(number, .quotaExceeded) }
    }

    /// Publishes a message that comes from no PUBLISH packet: a will.
    mutating func publish(_ will: ConnectFrame.Will) {
        let bytes = will.topic + will.payload + will.properties
        publish(
            Outgoing(
                bytes.span.raw, topicLength: will.topic.count, propertiesLength: will.properties.count, qos: will.qos,
                retain: will.retain))
    }

    /// Publishes a message of the broker's own. Nobody is answered, so nothing is refused; what is to be stored is.
    @inline(never)
    mutating func publish(_ message: Outgoing) {
        let interrupted = publication
        publication = Publication()
        if message.retain, !replay.isStored { _ = retain(message) }
        if replay.isActive { routeAnew(message) } else { route(message) }
        publication = interrupted
    }
}
