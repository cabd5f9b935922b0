// A client asks for a session: a new one, or the one that it left.

import EventLoop
import Journal
import MQTT
import Messages
import Store

extension Router {
    mutating func connect(_ link: Int, _ frame: ConnectFrame) throws(FrameError) {
        guard session(link, frame.slot, frame.generation) == nil else { throw FrameError("a second Connect of a slot") }
        guard frame.slot < Self.slotLimit else { throw FrameError("a slot beyond every limit") }
        guard links[link].role == .bridge || !isReserved(frame.clientIdentifier) else {
            return refuse(link, frame, .clientIdentifierNotValid)
        }
        var frame = frame
        let isAssigned = frame.clientIdentifier.isEmpty
        if isAssigned {
            frame.clientIdentifier = assignedIdentifier()
        } else {
            wake(client: frame.clientIdentifier)
        }
        var isReplacing = false
        if let former = session(ofClient: frame.clientIdentifier) {
            isReplacing = sessions[Int(former)].isDurable
            // Of two claims the one that was accepted later holds, whichever listener speaks first.
            if sessions[Int(former)].isConnected, sessions[Int(former)].acceptNumber > frame.acceptNumber {
                return refuse(link, frame, .sessionTakenOver)
            }
            if sessions[Int(former)].isConnected { takeOver(Int(former), link, frame) }
        }
        if let former = session(ofClient: frame.clientIdentifier) {
            if !frame.cleanStart {
                resume(Int(former), link, frame)
                return claim(Int(former))
            }
            // [MQTT-3.1.2-4]: the session and all that belongs to it is forgotten before the new one begins.
            end(Int(former), publishWill: true)
        }
        guard sessionCount < Int(settings.sessions) else {
            count(.sessionsRefused)
            Journal.log(
                .limitReached, [.limit: "limits.sessions", .reason: "\(settings.sessions) sessions exist"],
                of: client(link, frame))
            return refuse(link, frame, .quotaExceeded)
        }
        let expiry = grantedExpiry(frame)
        // What could not be kept is not promised.
        guard expiry == 0 || !isStoreFull else {
            count(.storeRefused)
            return refuse(link, frame, .quotaExceeded)
        }
        let number = begin(link, frame, expiry, isReplacing: isReplacing)
        // Nobody else has one that was made up.
        if !isAssigned { claim(number, isClean: frame.cleanStart) }
    }

    /// Slots that a listener may have: the most that `limits.connections` allows.
    static var slotLimit: UInt32 { 10_000_000 }

    /// Seconds that a session outlives its connection: what the client asks for, within the configuration's limit.
    func grantedExpiry(_ frame: ConnectFrame) -> UInt32 { min(frame.sessionExpiry, settings.sessionExpiry) }

    private mutating func refuse(_ link: Int, _ frame: ConnectFrame, _ reason: ReasonCode) {
        count(.connectsRefused)
        links[link].append(connack(frame, reason, isPresent: false, expiry: 0))
    }

    private func connack(_ frame: ConnectFrame, _ reason: ReasonCode, isPresent: Bool, expiry: UInt32) -> [UInt8] {
        ConnackFrame(
            slot: frame.slot, generation: frame.generation, reasonCode: reason.rawValue, sessionPresent: isPresent,
            sessionExpiry: expiry, durable: expiry > 0, clientIdentifier: frame.clientIdentifier
        ).encoded()
    }

    /// A session begins.
    ///
    /// - Parameter isReplacing: the store has another one of this client, which is over.
    /// - Returns: its number.
    private mutating func begin(
        _ link: Int, _ frame: ConnectFrame, _ expiry: UInt32, isReplacing: Bool
    ) -> Int {
        let number = takeNumber()
        sessions[number].clientIdentifier = frame.clientIdentifier
        clients.insert(UInt32(number), frame.clientIdentifier)
        join(number, link, frame)
        let answer = connack(frame, .success, isPresent: false, expiry: expiry)
        if expiry > 0 {
            makeDurable(number, expiry)
            storeSession(number)
            sessions[number].flags.insert(.opening)
        }
        // A store that is full or fails may take nothing for long, and nobody who has nothing to do with it is to wait.
        let isOfNoConcern = isStoreFailing && expiry == 0 && !isReplacing
        if log.isEmpty || isStoreFull || isOfNoConcern {
            links[link].append(answer)
        } else {
            // That the client's former session is gone is promised as well, where there was one.
            sessions[number].flags.insert(.opening)
            waitForCommit(
                .opened(request(link), session: UInt32(number), acceptNumber: frame.acceptNumber, answer))
        }
        return number
    }

    /// A client is back: its session goes on where it stood [MQTT-3.1.2-5].
    private mutating func resume(_ number: Int, _ link: Int, _ frame: ConnectFrame) {
        join(number, link, frame)
        let durable = Int(sessions[number].durable)
        durables[durable].expiry = number == bridge ? .max : grantedExpiry(frame)
        durables[durable].endsAt = 0
        delayedWills[UInt32(number)] = nil
        storeSession(number)
        // One that the former router had made for this very frame is new to the client.
        let isNew =
            replay.isStored && sessions[number].queue.waiting == 0 && sessions[number].incoming.count == 0
            && tree.count(session: UInt32(number)) == 0
        links[link].append(connack(frame, .success, isPresent: !isNew, expiry: durables[durable].expiry))
        wait(number)
    }

    /// What was asked for is on disk: the client hears of it, and its messages may follow.
    mutating func opened(_ number: Int, _ acceptNumber: UInt64, _ answer: [UInt8]) {
        guard sessions[number].isConnected, sessions[number].acceptNumber == acceptNumber else { return }
        sessions[number].flags.remove(.opening)
        let link = Int(sessions[number].link)
        links[link].append(answer)
        links[link].isTouched = true
        if sessions[number].queue.waiting > 0 { wait(number) }
    }

    /// A session has a connection.
    mutating func join(_ number: Int, _ link: Int, _ frame: ConnectFrame) {
        sessions[number].link = Int32(link)
        sessions[number].slot = frame.slot
        sessions[number].generation = frame.generation
        sessions[number].version = frame.version
        sessions[number].flags.subtract([.away, .congested, .waiting, .opening])
        // It says when it takes messages: what RabbitMQ is not there for does not leave the queue.
        if links[link].role == .bridge {
            sessions[number].flags.insert(.congested)
            beginTalk()
        }
        sessions[number].keepAlive = frame.keepAlive
        sessions[number].acceptNumber = frame.acceptNumber
        sessions[number].peer = frame.peer
        sessions[number].connectedAt = seconds
        // The bridge asks for what its own configuration says.
        sessions[number].receiveMaximum = min(
            frame.receiveMaximum, links[link].role == .bridge ? .max : settings.inFlight,
            frame.sessionExpiry > 0 ? PacketWindow.mostDurable : .max)
        while links[link].slots.count <= Int(frame.slot) { links[link].slots.append(0) }
        links[link].slots[Int(frame.slot)] = UInt32(number) + 1
        wills[UInt32(number)] = frame.will
        connectionCount += 1
        count(.connects)
        mostConnections = max(mostConnections, connectionCount)
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
    private mutating func takeOver(_ number: Int, _ link: Int, _ frame: ConnectFrame) {
        count(.takeOvers)
        Journal.log(
            .takeOver,
            [
                .reason: "its former connection was from \(sessions[number].peer.description)",
                .reasonCode: "0x8E",
            ], of: client(link, frame))
        dismiss(number, .sessionTakenOver)
    }
}
