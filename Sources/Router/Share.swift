// Shared subscriptions: each message for one member of a group [MQTT-4.8.2-4], chosen in turn among those that can take
// it; and what a member leaves behind, for the others.

import EventLoop
import MQTT
import Messages

extension Router {
    /// Hands a message to one member of a group.
    @inline(never)
    mutating func deliverToGroup(_ row: Recipient, _ message: Outgoing) {
        guard let member = choose(row.session, message.qos) else { return }
        let number = Int(member.session)
        // At most the QoS that this member was granted [MQTT-4.8.2-2 of the receiver's own].
        let qos = min(message.qos, member.qos)
        let retain = message.retain && member.isRetainAsPublished
        guard canTake(number, qos), member.identifiers == 0 else {
            return enqueue(
                number, message, qos: qos, retain: retain, identifiers: identifiers(of: member), group: row.session)
        }
        let link = Int(sessions[number].link)
        // Kept until it is acknowledged: should the member leave before that, another one gets it.
        if qos > 0 { return deliverKept(number, link, message, qos: qos, retain: retain, group: row.session) }
        if links[link].delivery < 0 { openDelivery(link, message) }
        appendRecipient(number, link, qos, retain)
    }

    private func identifiers(of member: Recipient) -> [UInt8] {
        guard member.identifiers != 0, sessions[Int(member.session)].version == ProtocolVersion.v5.rawValue else {
            return []
        }
        return identifierProperty(member.identifiers)
    }

    /// Members of a group that are looked at for one message.
    private static var candidates: Int { 64 }

    /// The next in turn that can take a message now; else of those that are connected the one for which least waits;
    /// else one that is away and keeps it.
    private mutating func choose(_ group: UInt32, _ qos: UInt8) -> Recipient? {
        var best: Recipient?
        for _ in 0..<min(tree.memberCount(ofGroup: group), Self.candidates) {
            guard let member = tree.nextMember(ofGroup: group) else { break }
            if canTake(Int(member.session), min(qos, member.qos)) { return member }
            if let other = best, !isBetter(Int(member.session), Int(other.session)) { continue }
            best = member
        }
        return best
    }

    private func isBetter(_ number: Int, _ other: Int) -> Bool {
        if sessions[number].isConnected != sessions[other].isConnected { return sessions[number].isConnected }
        return sessions[number].queue.waiting < sessions[other].queue.waiting
    }

    /// A session has no connection any more: what it has not acknowledged of its groups' messages goes to other members
    /// that are connected. A QoS 2 message that was sent to it is its own for ever [MQTT-4.8.2-4 of section 4.8.2].
    mutating func redistribute(_ number: Int) {
        var entry = sessions[number].queue.first
        while entry != noEntry {
            let next = queues[entry].next
            let group = queues[entry].group
            if group != noEntry, queues[entry].qos < 2 || queues[entry].packetIdentifier == 0, hasOther(group, number) {
                handOver(entry, group)
            }
            entry = next
        }
    }

    private func hasOther(_ group: UInt32, _ number: Int) -> Bool {
        guard tree.isGroup(group) else { return false }
        return (0..<min(tree.memberCount(ofGroup: group), Self.candidates)).contains { index in
            let member = Int(tree.member(index, ofGroup: group).session)
            return member != number && sessions[member].isConnected
        }
    }

    private mutating func handOver(_ entry: UInt32, _ group: UInt32) {
        let message = queues.messages[queues[entry].message]
        let bytes = queues.messages.bytes(of: queues[entry].message).array
        let interrupted = (publication, routed)
        // Whoever waits for the one that is gone waits for the one that takes its place.
        publication = Publication()
        routed = noEntry
        let pending = queues[entry].pending
        if pending != noEntry {
            publication.debt = pending
            publication.packetIdentifier = pendings[pending].packetIdentifier
        }
        let outgoing = Outgoing(
            bytes.span.raw, topicLength: Int(message.topicLength), propertiesLength: Int(message.propertiesLength),
            qos: queues[entry].qos, retain: queues[entry].flags.contains(.retain), expiresAt: message.expiresAt)
        deliverToGroup(Recipient(session: group, options: Recipient.group, identifiers: 0), outgoing)
        finishRoute(outgoing)
        if pending != noEntry, publication.needsCommit {
            pendings[pending].waits &+= 1
            waitForCommit(.pending(pending))
        }
        (publication, routed) = interrupted
        sessions[Int(queues[entry].session)].outgoing.remove(queues[entry].packetIdentifier)
        finish(entry)
    }
}
