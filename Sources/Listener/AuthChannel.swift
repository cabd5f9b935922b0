// The channel to auth: attached when the supervisor offers it, written once a turn, read frame by frame. A process of auth that is
// gone takes with it what it was asked: the next one is asked again for whoever waits, and who was in the middle of an exchange is
// told to begin anew.

import Arena
import CArena
import Connection
import EventLoop
import Glibc
import Journal
import MQTT
import Messages

/// What the listener has to do with auth.
struct AuthLink {
    /// -1 while there is no channel.
    var descriptor: Int32 = -1
    /// The number of auth's place.
    var worker: UInt32 = 0
    var hasGreeted = false
    var isWatchedForRoom = false
    var outgoing: [UInt8] = []
    var incoming: [UInt8] = []
    var lastSerial: UInt32 = 0
    /// What is under way, by slot.
    private(set) var open: [Int: OpenExchange] = [:]
    /// Of that, what auth is to answer: at most `limits.authentications`. Clients that are to answer hold nobody up.
    private(set) var asked = 0
    /// Slots whose CONNECT or AUTH waits until that is less, in the order in which they came.
    var waiting: [UInt32] = []
    /// When it was looked for what takes too long.
    var judgedAt: UInt64 = 0

    mutating func note(_ slot: Int, _ exchange: OpenExchange) {
        end(slot)
        open[slot] = exchange
        if exchange.isAsked { asked += 1 }
    }

    @discardableResult
    mutating func end(_ slot: Int) -> OpenExchange? {
        guard let exchange = open.removeValue(forKey: slot) else { return nil }
        if exchange.isAsked { asked -= 1 }
        return exchange
    }
}

/// A client of which it is being found out who it is.
struct OpenExchange {
    /// Of the last request.
    var serial: UInt32
    /// Loop time at which it began.
    var since: UInt64
    /// Whether auth is to answer; else the client is.
    var isAsked: Bool
}

extension Listener {
    /// The most bytes that wait for auth, beyond which nothing more is asked.
    private static var authOutputLimit: Int { 1 << 20 }
    /// Answers are short: what is longer is none.
    private static var longestAnswer: Int { 256 << 10 }

    /// Takes a channel to a process of auth, and asks it about everybody who waits.
    mutating func attachAuth(_ descriptor: Int32, _ offer: ChannelOffer) throws(SystemError) {
        detachAuth()
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        auth.descriptor = descriptor
        auth.worker = offer.peerWorker
        try poller.add(descriptor, .readable, tag: Tag.auth)
        auth.outgoing = Hello(worker: welcome.worker, generation: welcome.generation).encoded()
        for slot in auth.open.keys.sorted() { askAgain(slot) }
    }

    private mutating func askAgain(_ slot: Int) {
        guard let kept = keptRequest(slot) else { return }
        switch kept.kind {
        case .password, .begin, .renew: ask(slot, kept)
        case .settled: auth.end(slot)
        case .proceed:
            // What the former process knew of the exchange is gone.
            close(
                slot, state(slot) == .connected ? .serverBusy : .serverUnavailable, tellClient: true,
                detail: "its authentication has to begin anew")
        }
    }

    /// The process is gone, or its channel is of no use.
    private mutating func detachAuth() {
        guard auth.descriptor >= 0 else { return }
        poller.remove(auth.descriptor)
        Glibc.close(auth.descriptor)
        auth.descriptor = -1
        auth.hasGreeted = false
        auth.isWatchedForRoom = false
        auth.outgoing = []
        auth.incoming = []
    }

    // MARK: asking

    /// Whether one more may be asked about.
    var mayAsk: Bool {
        auth.asked < Int(settings.authentications) && auth.outgoing.count < Self.authOutputLimit
    }

    /// Asks, or will once there is somebody to ask.
    mutating func ask(_ slot: Int, _ request: AuthRequest) {
        auth.lastSerial &+= 1
        let since = auth.open[slot]?.since ?? clock.milliseconds
        auth.note(slot, OpenExchange(serial: auth.lastSerial, since: since, isAsked: true))
        guard auth.descriptor >= 0 else { return }
        var request = request
        request.serial = auth.lastSerial
        auth.outgoing += request.encoded()
    }

    /// A connection is over: nobody waits for an answer.
    mutating func forgetAuthentication(_ slot: Int) {
        guard let exchange = auth.end(slot), auth.descriptor >= 0 else { return }
        auth.outgoing += AuthForget(
            slot: UInt32(slot), generation: arena[slot].generation, serial: exchange.serial
        ).encoded()
    }

    /// Stops reading a connection, whose leftover begins with what would be asked.
    mutating func awaitTurn(_ slot: Int) {
        guard !sockets[slot].flags.contains(.held) else { return }
        sockets[slot].flags.insert(.held)
        auth.waiting.append(UInt32(slot))
        count(.authenticationsHeldBack)
        watch(slot)
    }

    // MARK: the turn

    /// The channel is readable, or takes more.
    mutating func hearAuth(_ readiness: Poller.Interest) {
        guard auth.descriptor >= 0, !readiness.isDisjoint(with: [.readable, .hangUp]) else { return }
        var room = [UInt8](repeating: 0, count: 64 << 10)
        var span = room.mutableSpan
        var bytes = unsafe span.mutableBytes
        switch receive(auth.descriptor, into: &bytes) {
        case .bytes(let count): auth.incoming += room[..<count]
        case .wouldBlock: return
        case .ended, .failed: return detachAuth()
        }
        do throws(FrameError) {
            try takeAnswers()
        } catch {
            Journal.log(.channelCut, [.worker: "auth", .generation: "", .reason: error.description])
            report(Fault(worker: auth.worker, what: error.description))
            detachAuth()
        }
    }

    private mutating func takeAnswers() throws(FrameError) {
        var position = 0
        defer { auth.incoming.removeFirst(min(position, auth.incoming.count)) }
        while let head = try FrameHead.read(auth.incoming.span.raw, at: position) {
            guard head.length <= Self.longestAnswer else { throw FrameError("a frame longer than any answer") }
            guard auth.incoming.count - position >= head.length else { return }
            let frame = Array(auth.incoming[position..<(position + head.length)])
            position += head.length
            if auth.hasGreeted {
                authAnswered(try AuthAnswer(decoding: frame))
            } else {
                guard try Hello(decoding: frame).worker == auth.worker else {
                    throw FrameError("a greeting that does not fit the channel")
                }
                auth.hasGreeted = true
            }
        }
    }

    /// At the end of a turn: lets those ask whose turn it is, looks for what takes too long, writes.
    mutating func attendAuth() {
        if !auth.waiting.isEmpty { resumeWaiting() }
        if !auth.open.isEmpty { judgeExchanges() }
        if !auth.outgoing.isEmpty { flushAuth() }
    }

    private mutating func resumeWaiting() {
        let room = Int(settings.authentications) - auth.asked
        guard room > 0, mayAsk else { return }
        let next = auth.waiting.prefix(room)
        auth.waiting.removeFirst(next.count)
        for entry in next {
            let slot = Int(entry)
            guard sockets[slot].flags.contains(.held), sockets[slot].descriptor >= 0, !state(slot).holdsInput else {
                continue
            }
            sockets[slot].flags.remove(.held)
            // While it was not read it was not idle.
            arena[cold: slot].last_input = clock.tenths
            reconsiderInput(slot)
            if !sockets[slot].flags.contains(.held) { watch(slot) }
        }
    }

    /// Milliseconds between two looks at what is under way.
    private static var judgeEvery: UInt64 { 250 }

    /// What takes longer than `limits.connect_timeout` is given up.
    private mutating func judgeExchanges() {
        guard clock.milliseconds >= auth.judgedAt + Self.judgeEvery else { return }
        auth.judgedAt = clock.milliseconds
        for (slot, exchange) in auth.open
        where clock.milliseconds >= exchange.since + UInt64(settings.connectTimeout) {
            switch state(slot) {
            case .authenticating:
                refuse(
                    slot, .serverUnavailable, "auth has not answered within limits.connect_timeout",
                    user: keptRequest(slot)?.userName ?? [])
            case .challenged:
                close(slot, .notAuthorized, tellClient: false, detail: "no AUTH within limits.connect_timeout")
            // Of a client that is connected nobody is to wait for auth.
            case .connected where !exchange.isAsked:
                close(slot, .notAuthorized, tellClient: true, detail: "no AUTH within limits.connect_timeout")
            default: break
            }
        }
    }

    private mutating func flushAuth() {
        guard auth.descriptor >= 0 else { return }
        var isFull = false
        while !auth.outgoing.isEmpty, !isFull {
            switch send(auth.descriptor, auth.outgoing.span.raw) {
            case .bytes(let count): auth.outgoing.removeFirst(count)
            case .wouldBlock: isFull = true
            // What it has still said is read first.
            case .ended, .failed: return
            }
        }
        guard isFull != auth.isWatchedForRoom else { return }
        auth.isWatchedForRoom = isFull
        try? poller.modify(auth.descriptor, isFull ? [.readable, .writable] : .readable, tag: Tag.auth)
    }

    // MARK: a successor

    /// A connection about which the former process of this place had asked, or which it had challenged.
    mutating func restoreAuthentication(_ slot: Int) {
        guard state(slot).isOpen, let kept = keptRequest(slot), kept.kind != .settled else { return }
        let isAsked = state(slot) != .challenged
        auth.note(slot, OpenExchange(serial: 0, since: clock.milliseconds, isAsked: isAsked))
    }
}
