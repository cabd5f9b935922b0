// The way of a message that a former router may have handed out: nobody gets it who has it.

import EventLoop
import MQTT
import Messages

extension Router {
    /// Hands a message to every session whose subscriptions match, and that does not have it.
    @inline(never)
    mutating func routeAnew(_ message: Outgoing) {
        route(message, anew: true)
    }

    /// Whether a session does not have a message.
    /// A durable one has it in its queue, whether its client has it or not: that is found out at the end.
    func isDue(_ number: Int, _ row: Recipient, _ message: Outgoing) -> Bool {
        if sessions[number].isDurable, min(message.qos, row.qos) > 0 { return !replay.isStored }
        return !isApplied(number)
    }

    /// Whether the listener of a session has applied what came of the frame that is handled anew.
    ///
    /// - Parameter away: the answer for a session that has no connection any more.
    func isApplied(_ number: Int, away: Bool = false) -> Bool {
        let link = Int(sessions[number].link)
        guard replay.isActive else { return false }
        guard link >= 0 else { return away }
        let backlog = sessions[number].backlog
        if backlog != noEntry {
            return backlogs[backlog].knows(StreamMark(place: links[replay.link].worker, offset: replay.offset))
        }
        return isAppliedByListener(link)
    }

    private func isAppliedByListener(_ link: Int) -> Bool {
        replay.offset <= (link == replay.link ? links[link].applied : mark(of: replay.link, at: link))
    }

    /// Which member had it is not known, only that none or one did. Where it may be either, at QoS 0 nobody gets it, and
    /// above somebody.
    @inline(never)
    mutating func deliverToGroupAnew(_ row: Recipient, _ message: Outgoing) {
        let members = (0..<min(tree.memberCount(ofGroup: row.session), 64)).map { index in
            Int(tree.member(index, ofGroup: row.session).session)
        }
        let isStored = replay.isStored && message.qos > 0 && members.contains { sessions[$0].isDurable }
        let applied = members.filter { sessions[$0].isConnected && isAppliedByListener(Int(sessions[$0].link)) }
        guard !isStored, applied.count < members.count, applied.isEmpty || message.qos > 0 else { return }
        deliverToGroup(row, message)
    }
}
