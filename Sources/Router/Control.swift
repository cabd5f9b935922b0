// What the supervisor says to the router, and the operator's questions that it passes on.

import Channel
import EventLoop
import Glibc
import Journal
import MQTT
import Messages

extension Router {
    /// Takes every packet that waits. Without a supervisor the router ends.
    mutating func handleControl() {
        do {
            while true {
                switch try control.receive() {
                case .wouldBlock: return
                case .ended: end("the supervisor is gone")
                case .packet(let packet): try handle(packet)
                }
            }
        } catch {
            end("the control channel failed: \(error)")
        }
    }

    private mutating func handle(_ packet: ControlChannel.Packet) throws {
        let bytes = packet.bytes.span.raw
        switch try FrameHead.read(bytes, at: 0)?.type {
        case .ping:
            let ping = try Ping(decoding: bytes)
            listenerTotals = ping.listeners
            report(Pong(sequence: ping.sequence, counters: currentCounters()))
        case .routerSettings:
            settings = try RouterSettings(decoding: bytes)
            keepBridge()
            Journal.configure(level: .init(number: settings.logLevel), connections: true)
            retained.limits = Self.retainedLimits(settings)
            tree.limits = Self.treeLimits(settings)
        case .channelOffer:
            guard let descriptor = packet.descriptors.first else { throw FrameError("a channel without a descriptor") }
            try attach(descriptor, try ChannelOffer(decoding: bytes))
        case .peerGone:
            let worker = try PeerGone(decoding: bytes).worker
            if let link = links.firstIndex(where: { $0.isOpen && $0.worker == worker }) { detach(link) }
        case .streamQuestion: holdStream(try StreamQuestion(decoding: bytes).worker)
        case .streamGo: letStreamGo(try StreamGo(decoding: bytes).worker)
        case .adopt:
            guardian.adopted(by: try Adopt(decoding: bytes).process)
            report(Adopted())
        case .query: answer(try Query(decoding: bytes))
        case .stop:
            for link in links.indices where links[link].isOpen { receiveFrames(link) }
            retire()
            report(Stopped())
        case .retire:
            retire(isFollowed: true)
            standBack()
            report(Retired())
        default: throw FrameError("a frame that is not for a router that serves")
        }
    }

    /// Ends in good order where no supervisor has come for long: behind the listeners, which have goodbyes to say.
    mutating func lookForSupervisor() {
        guard milliseconds >= guardedAt + 1000 else { return }
        guardedAt = milliseconds
        guard guardian.isMissing(now: milliseconds, longer: Self.listenersFirst) else { return }
        Journal.log(.workerFailed, [.worker: "router", .reason: "no supervisor has come"])
        retire()
    }

    /// Milliseconds that listeners have to end before the router does.
    private static var listenersFirst: UInt64 { 6000 }

    /// Sends the supervisor a frame. One that takes none has given this worker up.
    mutating func report(_ frame: some Frame) {
        do throws(SystemError) {
            try control.send(frame.encoded())
        } catch {
            end("the supervisor takes no reports: \(error)")
        }
    }

    private func currentCounters() -> [UInt64] {
        var values = RouterCounter.allCases.map { counters[$0.rawValue] }
        values[RouterCounter.sessions.rawValue] = UInt64(sessionCount)
        values[RouterCounter.messagesQueued.rawValue] = queuedMessages.messages
        values[RouterCounter.connections.rawValue] = UInt64(connectionCount)
        values[RouterCounter.subscriptions.rawValue] = UInt64(tree.count)
        values[RouterCounter.retainedMessages.rawValue] = UInt64(retained.count)
        if bridge >= 0 { values[RouterCounter.bridgeWaiting.rawValue] = UInt64(sessions[bridge].queue.waiting) }
        return values
    }

    func end(_ reason: String) -> Never {
        Journal.log(.workerFailed, [.worker: "router", .reason: reason])
        exit(1)
    }

    // MARK: questions

    /// What one packet of rows may take.
    private static var answerBytes: Int { controlPacketLimit / 2 }

    private mutating func answer(_ query: Query) {
        switch query.kind {
        case .clients: answerClients(query)
        case .kick:
            guard let number = session(ofClient: Array(query.text.utf8)), sessions[Int(number)].isConnected else {
                return report(Answer(number: query.number, nextCursor: nil, clients: []))
            }
            let row = row(Int(number))
            dismiss(Int(number), .administrativeAction)
            report(Answer(number: query.number, nextCursor: nil, clients: [row]))
        }
    }

    private mutating func answerClients(_ query: Query) {
        var rows: [Answer.Client] = []
        var size = 0
        var number = Int(query.cursor)
        while number < sessions.count, size < Self.answerBytes {
            if sessions[number].link >= 0 {
                let row = row(number)
                rows.append(row)
                size += 64 + row.clientIdentifier.utf8.count + row.listener.utf8.count
            }
            number += 1
        }
        let next = number < sessions.count ? UInt32(number) : nil
        report(Answer(number: query.number, nextCursor: next, clients: rows))
    }

    private func row(_ number: Int) -> Answer.Client {
        let session = sessions[number]
        return Answer.Client(
            // An identifier may be 64 KiB long; a table shows its beginning.
            clientIdentifier: text(Array(session.clientIdentifier.prefix(1024))),
            listener: links[Int(session.link)].name, peer: session.peer, version: session.version,
            connected: seconds &- session.connectedAt, keepAlive: session.keepAlive,
            subscriptions: UInt32(tree.count(session: UInt32(number))))
    }
}
