// Connections and sessions end: by the client, its listener, a take-over, the operator, or because their time is up.

import EventLoop
import Journal
import MQTT
import Messages
import Store

extension Router {
    /// A connection is over. Of one that was dismissed nothing is left to do.
    mutating func disconnected(_ link: Int, _ frame: DisconnectedFrame) {
        guard let number = session(link, frame.slot, frame.generation) else { return }
        if let expiry = frame.sessionExpiry, sessions[number].isDurable {
            durables[Int(sessions[number].durable)].expiry = min(expiry, settings.sessionExpiry)
        }
        leave(number, publishWill: frame.publishWill)
    }

    /// Ends a connection for a reason of the broker's; its will is published.
    mutating func dismiss(_ number: Int, _ reason: ReasonCode) {
        let link = Int(sessions[number].link)
        guard link >= 0 else { return }
        // Not into the middle of a message that is being handed out: its frame is complete before this one begins.
        closeDeliveries()
        links[link].append(
            DismissFrame(
                slot: sessions[number].slot, generation: sessions[number].generation, reasonCode: reason.rawValue
            ).encoded())
        links[link].isTouched = true
        leave(number, publishWill: true)
    }

    /// A session has no connection any more: it ends, or waits for its client to come back.
    mutating func leave(_ number: Int, publishWill: Bool) {
        forgetDebts(number)
        if !haunted.isEmpty { haunted[UInt32(number)] = nil }
        sessions[number].flags.remove(.resumed)
        links[Int(sessions[number].link)].slots[Int(sessions[number].slot)] = 0
        sessions[number].link = -1
        sessions[number].flags.insert(.away)
        connectionCount -= 1
        if !publishWill { wills[UInt32(number)] = nil }
        let durable = Int(sessions[number].durable)
        guard sessions[number].isDurable, durables[durable].expiry > 0 else {
            return end(number, publishWill: true)
        }
        let expiry = durables[durable].expiry
        durables[durable].endsAt = endOfSession(after: expiry)
        if resumptions[UInt32(number)] != nil {
            // What its client has is not known yet.
            resumptions[UInt32(number)]?.isOver = true
        } else {
            redistribute(number)
            park(number)
        }
        if let will = wills[UInt32(number)] {
            if will.delay == 0 {
                wills[UInt32(number)] = nil
                storeSession(number)
                return publish(will)
            }
            // At the end of its delay, or of the session [MQTT-3.1.3-9].
            delayedWills[UInt32(number)] = now &+ min(will.delay, expiry)
        }
        storeSession(number)
    }

    /// Forgets a session, which has no connection any more, or whose connection goes with it.
    mutating func end(_ number: Int, publishWill: Bool) {
        let identifier = sessions[number].clientIdentifier
        logDropped(number)
        if let resumption = resumptions.removeValue(forKey: UInt32(number)), resumption.isReading {
            resumptionReads -= 1
        }
        let isDurable = sessions[number].isDurable
        redistribute(number)
        endBacklog(number)
        clearQueue(number)
        endReplays(number)
        tree.removeAll(session: UInt32(number))
        clients.remove(UInt32(number), identifier)
        if isDurable {
            log.removeSession(UInt32(number))
            durables.remove(sessions[number].durable)
        }
        sessions[number] = Session()
        freeSessions.append(UInt32(number))
        sessionCount -= 1
        delayedWills[UInt32(number)] = nil
        if let will = wills.removeValue(forKey: UInt32(number)), publishWill { publish(will) }
    }

    /// When a session ends whose client goes away now.
    func endOfSession(after expiry: UInt32) -> UInt32 {
        expiry == .max ? .max : max(1, UInt32(clamping: UInt64(now) + UInt64(expiry)))
    }

    /// A number for a session that begins.
    mutating func takeNumber() -> Int {
        sessionCount += 1
        let number: Int
        if let free = freeSessions.popLast() {
            number = Int(free)
        } else {
            number = sessions.count
            sessions.append(Session())
        }
        sessions[number].flags = .exists
        return number
    }

    /// Gives a session what it needs to outlive its connection.
    mutating func makeDurable(_ number: Int, _ expiry: UInt32) {
        sessions[number].durable = durables.insert(expiry: expiry)
        sessions[number].flags.insert(.durable)
    }
}
