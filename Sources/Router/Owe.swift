// What a publisher is owed: its acknowledgement, when nothing that a crash could lose depends on it any more, and in
// the order of its messages [MQTT-4.6.0-2, 4.6.0-3].

import EventLoop
import MQTT
import Messages

/// Who published the message that is being routed, and how it is to be answered.
struct Publication {
    /// The publisher's session; -1: the broker itself, a will for example.
    var publisher = -1
    var packetIdentifier: UInt16 = 0
    /// PUBACK's or PUBREC's type.
    var kind: UInt8 = 0
    /// The acknowledgement that waits; `noEntry`: none does yet.
    var debt = noEntry
    /// The open transaction has something of it.
    var needsCommit = false
}

extension Router {
    /// The acknowledgement of the message that is being routed shall wait for one thing more.
    /// - Returns: its number; `noEntry` where nobody waits for an answer.
    mutating func addDebt() -> UInt32 {
        guard waitsForDisk, publication.packetIdentifier != 0 else { return noEntry }
        if publication.debt == noEntry {
            publication.debt = owe(publication.publisher, publication.kind, publication.packetIdentifier)
        }
        pendings[publication.debt].waits &+= 1
        return publication.debt
    }

    /// Puts an acknowledgement behind those that its publisher waits for already. It waits for one thing.
    private mutating func owe(_ publisher: Int, _ kind: UInt8, _ identifier: UInt16) -> UInt32 {
        let number = pendings.insert(
            PendingAcknowledgement(
                session: UInt32(truncatingIfNeeded: publisher), packetIdentifier: identifier, kind: kind,
                offset: links[Int(sessions[publisher].link)].frameStart))
        if sessions[publisher].firstPending == noEntry {
            sessions[publisher].firstPending = number
        } else {
            pendings[sessions[publisher].lastPending].next = number
        }
        sessions[publisher].lastPending = number
        return number
    }

    /// The message is routed: its acknowledgement goes out at once, or as soon as nothing is waited for.
    @inline(__always)
    mutating func answerPublication(_ reason: ReasonCode = .success) {
        guard publication.packetIdentifier != 0 else { return }
        if publication.debt == noEntry, !publication.needsCommit,
            sessions[publication.publisher].firstPending == noEntry
        {
            acknowledgePublish(publication.publisher, publication.kind, publication.packetIdentifier, reason)
        } else {
            answerLater(reason)
        }
    }

    @inline(never)
    private mutating func answerLater(_ reason: ReasonCode) {
        if publication.debt == noEntry {
            publication.debt = owe(publication.publisher, publication.kind, publication.packetIdentifier)
        }
        let debt = publication.debt
        pendings[debt].reason = reason
        if publication.needsCommit {
            pendings[debt].waits &+= 1
            waitForCommit(.pending(debt))
        }
        links[Int(sessions[publication.publisher].link)].postpone(
            links[Int(sessions[publication.publisher].link)].frameStart)
        settle(debt)
    }

    /// One thing that an acknowledgement waited for is done.
    mutating func settle(_ number: UInt32) {
        guard number != noEntry else { return }
        pendings[number].waits &-= 1
        guard pendings[number].waits == 0 else { return }
        let session = pendings[number].session
        guard session != noEntry else { return pendings.remove(number) }
        let publisher = Int(session)
        while sessions[publisher].firstPending != noEntry {
            let first = sessions[publisher].firstPending
            let pending = pendings[first]
            guard pending.waits == 0 else { return }
            sessions[publisher].firstPending = pending.next
            pendings.remove(first)
            acknowledgePublish(publisher, pending.kind, pending.packetIdentifier, pending.reason)
            links[Int(sessions[publisher].link)].complete(pending.offset)
        }
    }

    /// A connection is over: nobody is there to be answered.
    mutating func forgetDebts(_ publisher: Int) {
        var number = sessions[publisher].firstPending
        sessions[publisher].firstPending = noEntry
        while number != noEntry {
            let next = pendings[number].next
            pendings[number].session = noEntry
            if pendings[number].waits == 0 { pendings.remove(number) }
            number = next
        }
        if publication.publisher == publisher { publication = Publication() }
    }

    /// Writes a PUBACK or PUBREC for its publisher.
    @inline(__always)
    private mutating func acknowledgePublish(
        _ publisher: Int, _ kind: UInt8, _ identifier: UInt16, _ reason: ReasonCode
    ) {
        let link = Int(sessions[publisher].link)
        if reason.rawValue != 0 { return refusePublish(link, publisher, kind, identifier, reason) }
        let entry = SlotEntry(
            acknowledgement: kind, slot: sessions[publisher].slot, generation: sessions[publisher].generation,
            packetIdentifier: identifier)
        if sessions[publisher].isJSON {
            // A JSON client's answers come in the order of its requests, so this one may not wait for the batch's end.
            var span = links[link].append(FrameHead.byteCount + SlotEntry.byteCount)
            span.store(FrameHead.word(length: FrameHead.byteCount + SlotEntry.byteCount, type: .acknowledge), at: 0)
            span.store(entry.word, at: FrameHead.byteCount)
        } else {
            links[link].acknowledge(entry)
        }
        links[link].isTouched = true
    }

    /// Answers with a reason. MQTT before 5 can not say why: there the listener ends the connection.
    @inline(never)
    private mutating func refusePublish(
        _ link: Int, _ publisher: Int, _ kind: UInt8, _ identifier: UInt16, _ reason: ReasonCode
    ) {
        if reason.isFailure, kind == PacketType.pubrec.rawValue { forgetReceived(publisher, identifier) }
        refuse(link, publisher, PacketType(rawValue: kind) ?? .puback, identifier, reason)
        links[link].isTouched = true
    }
}
