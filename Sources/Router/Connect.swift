// Sessions: begun by CONNECT, ended by the connection's end, a take-over or the operator.

import Journal
import MQTT
import Messages

extension Router {
    /// A client asks for a session. Sessions are clean: they end with their connection, and CONNACK says so.
    mutating func connect(_ link: Int, _ frame: ConnectFrame) throws(FrameError) {
        guard session(link, frame.slot, frame.generation) == nil else { throw FrameError("a second Connect of a slot") }
        guard frame.slot < Self.slotLimit else { throw FrameError("a slot beyond every limit") }
        var identifier = frame.clientIdentifier
        if identifier.isEmpty {
            identifier = assignedIdentifier()
        } else if let former = clients[identifier] {
            // Of two claims the one that was accepted later holds, whichever listener speaks first.
            if sessions[Int(former)].acceptNumber > frame.acceptNumber {
                return answer(link, frame, identifier, .sessionTakenOver)
            }
            takeOver(Int(former), frame)
        }
        guard sessionCount < Int(settings.sessions) else {
            count(.connectsRefused)
            Journal.log(.limitReached, [.limit: "limits.sessions", .reason: "\(settings.sessions) sessions exist"])
            return answer(link, frame, identifier, .quotaExceeded)
        }
        open(link, frame, identifier)
        answer(link, frame, identifier, .success)
    }

    /// Slots that a listener may have: the most that `limits.connections` allows.
    private static var slotLimit: UInt32 { 10_000_000 }

    private mutating func answer(_ link: Int, _ frame: ConnectFrame, _ identifier: [UInt8], _ reason: ReasonCode) {
        links[link].append(
            ConnackFrame(
                slot: frame.slot, generation: frame.generation, reasonCode: reason.rawValue, sessionPresent: false,
                sessionExpiry: 0, clientIdentifier: identifier
            ).encoded())
    }

    private mutating func open(_ link: Int, _ frame: ConnectFrame, _ identifier: [UInt8]) {
        var session = Session()
        session.link = Int32(link)
        session.slot = frame.slot
        session.generation = frame.generation
        session.version = frame.version
        session.keepAlive = frame.keepAlive
        session.acceptNumber = frame.acceptNumber
        session.peer = frame.peer
        session.connectedAt = seconds
        session.receiveMaximum = min(frame.receiveMaximum, settings.inFlight)
        session.clientIdentifier = identifier
        let number: UInt32
        if let free = freeSessions.popLast() {
            sessions[Int(free)] = session
            number = free
        } else {
            sessions.append(session)
            number = UInt32(sessions.count - 1)
        }
        while links[link].slots.count <= Int(frame.slot) { links[link].slots.append(0) }
        links[link].slots[Int(frame.slot)] = number + 1
        clients[identifier] = number
        if let will = frame.will { wills[number] = will }
        sessionCount += 1
    }

    /// 128 random bits in hexadecimal, behind a word that tells where it comes from [MQTT-3.1.3-6].
    private func assignedIdentifier() -> [UInt8] {
        var identifier = Array("auto-".utf8)
        for _ in 0..<16 {
            let byte = UInt8.random(in: 0...255)
            for digit in [byte >> 4, byte & 15] { identifier.append(digit + (digit < 10 ? 48 : 87)) }
        }
        return identifier
    }

    /// A newer connection has the same client identifier [MQTT-3.1.4-3].
    private mutating func takeOver(_ number: Int, _ frame: ConnectFrame) {
        count(.takeOvers)
        Journal.log(
            .takeOver, [.clientID: text(sessions[number].clientIdentifier), .peer: frame.peer.description])
        dismiss(number, .sessionTakenOver)
    }

    /// Ends a session and its connection, for a reason of the broker's; its will is published.
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
        end(number, publishWill: true)
    }

    /// A connection is over. Of one that was dismissed nothing is left to do.
    mutating func disconnected(_ link: Int, _ frame: DisconnectedFrame) {
        guard let number = session(link, frame.slot, frame.generation) else { return }
        end(number, publishWill: frame.publishWill)
    }

    /// Forgets a session.
    mutating func end(_ number: Int, publishWill: Bool) {
        let session = sessions[number]
        clearQueue(number)
        endReplays(number)
        tree.removeAll(session: UInt32(number))
        clients[session.clientIdentifier] = nil
        if session.link >= 0 { links[Int(session.link)].slots[Int(session.slot)] = 0 }
        sessions[number] = Session()
        freeSessions.append(UInt32(number))
        sessionCount -= 1
        if let will = wills.removeValue(forKey: UInt32(number)), publishWill { publish(will) }
    }
}
