// Connections of a former router's: the sessions behind them go on, and their clients hear nothing of it. Called for the
// `resume` frames that a channel begins with.

import EventLoop
import MQTT
import Messages
import Store

/// What is found out about a session whose messages the store keeps.
struct Resumption {
    /// Identifiers of messages that the client has not acknowledged for good, in the order of delivery.
    var window: [UInt16]
    /// The newest identifier that was delivered.
    var last: UInt16
    /// Identifiers that were acknowledged for good, of messages that are not known (yet).
    var acknowledged: [UInt16] = []
    /// It ends with its connection: what the store has of it is what waited.
    var isVolatile = false
    /// Its messages are being read from the store.
    var isReading = false
    /// The connection is over: what it had outstanding is sent again.
    var isOver = false
}

/// Messages of a former router's of which nothing is known but how many the client has not acknowledged.
struct Haunting {
    var count: UInt16
    /// What the client takes at once.
    var limit: UInt16
    /// How many identifiers have been used since, and the last of them when that was counted.
    var used = 0
    var last: UInt16
}

extension Router {
    /// A session goes on.
    mutating func takeUp(_ link: Int, _ frame: ResumeFrame) throws(FrameError) {
        let connect = frame.connect
        guard session(link, connect.slot, connect.generation) == nil, connect.slot < Self.slotLimit,
            !connect.clientIdentifier.isEmpty,
            links[link].role == .bridge || !isReserved(connect.clientIdentifier)
        else { throw FrameError("a connection that can not be resumed") }
        // A session that ends with its connection is all that its client has: the end of another one was written before the
        // client heard of this one, or is made up for when that is met (WakeSessions.swift).
        if connect.sessionExpiry > 0 { wake(client: connect.clientIdentifier) }
        if let rival = session(ofClient: connect.clientIdentifier), sessions[Int(rival)].isConnected {
            // Of two claims the one that was accepted later holds.
            guard sessions[Int(rival)].acceptNumber < connect.acceptNumber else {
                links[link].append(
                    DismissFrame(
                        slot: connect.slot, generation: connect.generation,
                        reasonCode: ReasonCode.sessionTakenOver.rawValue
                    ).encoded())
                return
            }
            giveWay(Int(rival))
        }
        let number = find(connect)
        join(number, link, connect)
        sessions[number].flags.remove(.congested)
        sessions[number].flags.insert(frame.congested ? [.resumed, .congested] : .resumed)
        sessions[number].outgoing.resume(after: frame.lastPacketIdentifier)
        delayedWills[UInt32(number)] = nil
        for subscription in frame.subscriptions {
            _ = try? tree.subscribe(
                subscription.filter.span, session: UInt32(number), options: subscription.options & 0b1111,
                identifier: subscription.identifier)
        }
        let note = try ConnectionNote(frame.note)
        takeUpReplays(number, note, frame.list)
        if connect.sessionExpiry == 0 { haunt(number, frame) }
        if connect.sessionExpiry == 0 {
            takeUpBacklog(number, note)
        } else if sessions[number].isDurable {
            takeUpQueue(number, frame)
        }
    }

    /// A connection was taken over by another, which is named too. What its client said before that counts.
    private mutating func giveWay(_ number: Int) {
        let (link, slot) = (Int(sessions[number].link), sessions[number].slot)
        replaced[UInt64(link) << 32 | UInt64(slot)] = (sessions[number].generation, UInt32(number))
        // Its will was published when it was taken over.
        wills[UInt32(number)] = nil
        dismiss(number, .sessionTakenOver)
        if !sessions[number].isDurable { replaced[UInt64(link) << 32 | UInt64(slot)] = nil }
    }

    /// The session of a connection: the stored one, or a new one.
    private mutating func find(_ connect: ConnectFrame) -> Int {
        if let stored = session(ofClient: connect.clientIdentifier) {
            let expiry = durables[Int(sessions[Int(stored)].durable)].expiry
            if (expiry > 0) == (connect.sessionExpiry > 0) { return Int(stored) }
            // A clean start that the store does not know.
            end(Int(stored), publishWill: false)
        }
        let number = takeNumber()
        sessions[number].clientIdentifier = connect.clientIdentifier
        sessions[number].acceptNumber = connect.acceptNumber
        clients.insert(UInt32(number), connect.clientIdentifier)
        if connect.sessionExpiry > 0 {
            makeDurable(number, connect.sessionExpiry)
            wills[UInt32(number)] = connect.will
            storeSession(number)
        }
        return number
    }

    private mutating func takeUpQueue(_ number: Int, _ frame: ResumeFrame) {
        let durable = Int(sessions[number].durable)
        let expiry = frame.connect.sessionExpiry
        if durables[durable].expiry != expiry || durables[durable].endsAt != 0 {
            durables[durable].expiry = expiry
            durables[durable].endsAt = 0
            storeSession(number)
        }
        sessions[number].flags.insert(.resuming)
        // Of a connection that gave way its pages are being read already.
        let isReading = resumptions[UInt32(number)]?.isReading ?? false
        resumptions[UInt32(number)] = Resumption(
            window: frame.window, last: frame.lastPacketIdentifier, isReading: isReading)
        guard durables[durable].stored > 0, !isReading else { return }
        resumptionReads += 1
        resumptions[UInt32(number)]?.isReading = true
        requestPage(number)
    }

    /// What the client has not acknowledged counts against what it takes at once.
    private mutating func haunt(_ number: Int, _ frame: ResumeFrame) {
        guard frame.outstanding > 0 else { return }
        let limit = sessions[number].receiveMaximum
        haunted[UInt32(number)] = Haunting(count: frame.outstanding, limit: limit, last: frame.lastPacketIdentifier)
        sessions[number].receiveMaximum = limit > frame.outstanding ? limit - frame.outstanding : 0
    }

    /// An acknowledgement of an identifier that is not in use: of a message of the former router's, if there are such.
    @inline(never)
    mutating func acknowledgeUnknown(_ number: Int) {
        guard !haunted.isEmpty, var haunting = haunted[UInt32(number)] else { return }
        haunting.count -= 1
        haunted[UInt32(number)] = haunting.count > 0 ? haunting : nil
        if haunting.used < Self.usableIdentifiers {
            sessions[number].receiveMaximum = haunting.limit > haunting.count ? haunting.limit - haunting.count : 0
        } else if haunting.count == 0 {
            sessions[number].receiveMaximum = haunting.limit
        }
        if sessions[number].queue.waiting != 0 { wait(number) }
    }

    /// Packet identifiers that follow the last of a former router's: further on one may be in use that is not known.
    private static var usableIdentifiers: Int { 32_768 }

    /// Stops sessions before their identifiers come round to those that are not known. Called once a second.
    mutating func countIdentifiers() {
        for (number, haunting) in haunted {
            let last = sessions[Int(number)].outgoing.lastAssigned
            var haunting = haunting
            haunting.used += (Int(last) - Int(haunting.last) + 65_535) % 65_535
            haunting.last = last
            haunted[number] = haunting
            if haunting.used >= Self.usableIdentifiers { sessions[Int(number)].receiveMaximum = 0 }
        }
    }
}
