// What the supervisor says to a running listener.

import Arena
import CArena
import Channel
import Connection
import EventLoop
import Glibc
import Journal
import MQTT
import Messages

extension Listener {
    /// Takes every packet that waits. Without a supervisor there is nobody to hold the sockets: the worker ends.
    mutating func handleControl() {
        do {
            while true {
                switch try control.receive() {
                case .wouldBlock: return
                case .ended: end("the supervisor is gone", status: 1)
                case .packet(let packet): try handle(packet)
                }
            }
        } catch {
            end("the control channel failed: \(error)", status: 1)
        }
    }

    private mutating func handle(_ packet: ControlChannel.Packet) throws {
        let bytes = packet.bytes.span.raw
        switch try FrameHead.read(bytes, at: 0)?.type {
        case .accepted: openConnections(try Accepted(decoding: bytes), packet.descriptors)
        case .ping: report(Pong(sequence: try Ping(decoding: bytes).sequence, counters: currentCounters()))
        case .listenerSettings:
            settings = try ListenerSettings(decoding: bytes)
            Journal.configure(level: .init(number: settings.logLevel), connections: settings.logConnections)
        case .channelOffer:
            let offer = try ChannelOffer(decoding: bytes)
            guard let descriptor = packet.descriptors.first else { throw FrameError("a channel without a descriptor") }
            switch offer.peerRole {
            case .router: try attachRouter(descriptor, offer)
            case .auth: try attachAuth(descriptor, offer)
            default: throw FrameError("a channel that leads neither to the router nor to auth")
            }
        case .peerGone:
            if try PeerGone(decoding: bytes).worker == routerWorker { routerIsGone() }
        case .retire: isRetiring = true
        case .adopt:
            guardian.adopted(by: try Adopt(decoding: bytes).process)
            // The new one may think that it waits.
            report(Ready())
            sayWhatIsHeld()
        case .stop: beginStop(try Stop(decoding: bytes))
        default: throw FrameError("a frame that is not for a running listener")
        }
    }

    /// Tells a new supervisor of every connection, and gives it its socket.
    private mutating func sayWhatIsHeld() {
        var connections: [Accepted.Connection] = []
        var descriptors: [Int32] = []
        for slot in sockets.indices where sockets[slot].descriptor >= 0 {
            connections.append(
                Accepted.Connection(
                    slot: UInt32(slot), generation: arena[slot].generation,
                    acceptNumber: arena[cold: slot].accept_number, peer: peer(slot)))
            descriptors.append(sockets[slot].descriptor)
            guard descriptors.count == descriptorsPerPacket else { continue }
            reportAtLength(Held(place: welcome.worker, connections: connections), descriptors)
            connections = []
            descriptors = []
        }
        if !descriptors.isEmpty {
            reportAtLength(Held(place: welcome.worker, connections: connections), descriptors)
        }
        reportAtLength(Adopted(), [])
    }

    /// The same as `report` for much at once: waits until the supervisor has taken it.
    private mutating func reportAtLength(_ frame: some Frame, _ descriptors: [Int32]) {
        do throws(SystemError) {
            try control.send(frame.encoded(), descriptors: descriptors)
            while try !control.flush() { waitForRoom(control.descriptor, milliseconds: 10) }
        } catch {
            end("the supervisor takes no reports: \(error)", status: 1)
        }
    }

    /// Sends the supervisor a frame. A supervisor that takes none is about to kill this worker.
    mutating func report(_ frame: some Frame) {
        do throws(SystemError) {
            try control.send(frame.encoded())
        } catch {
            end("the supervisor takes no reports: \(error)", status: 1)
        }
    }

    private func currentCounters() -> [UInt64] {
        var values = ListenerCounter.allCases.map { counters[$0.rawValue] }
        values[ListenerCounter.connections.rawValue] = UInt64(openConnections)
        return values
    }

    // MARK: stopping

    /// Milliseconds that goodbyes may take where nobody asks for them.
    private static var ownStopLimit: UInt32 { 5000 }

    /// Ends in good order where no supervisor has come for long.
    mutating func lookForSupervisor() {
        guard clock.milliseconds >= guardedAt + 1000 else { return }
        guardedAt = clock.milliseconds
        guard stopDeadline == nil, guardian.isMissing(now: clock.milliseconds) else { return }
        Journal.log(.workerFailed, [.worker: "listener/\(welcome.name)", .reason: "no supervisor has come"])
        beginStop(Stop(reasonCode: ReasonCode.serverShuttingDown.rawValue, limit: Self.ownStopLimit))
    }

    private mutating func beginStop(_ stop: Stop) {
        guard stopDeadline == nil else { return }
        stopDeadline = clock.milliseconds + UInt64(stop.limit)
        let reason = ReasonCode(rawValue: stop.reasonCode)
        for slot in 0..<sockets.count where sockets[slot].descriptor >= 0 {
            // MQTT 5 §4.11: only that version can be told where to go.
            let isSent = arena[slot].version == ProtocolVersion.v5.rawValue && !settings.serverReference.isEmpty
            close(slot, isSent ? .useAnotherServer : reason, tellClient: true)
        }
    }

    /// Ends the process once a stop has nothing left to do.
    mutating func finishStop() {
        guard let deadline = stopDeadline else { return }
        guard openConnections == 0 || clock.milliseconds >= deadline else { return }
        // What the router must still hear of these connections is in its channel.
        if router >= 0, arena.unsentFrames().byteCount > 0, clock.milliseconds < deadline { return }
        report(Stopped())
        hasReported.stopped = true
    }

    func end(_ reason: String, status: Int32) -> Never {
        Journal.log(.workerFailed, [.worker: "listener/\(welcome.name)", .reason: reason])
        exit(status)
    }
}
