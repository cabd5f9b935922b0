// What the supervisor says, and what it is told.

internal import Channel
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages

extension Bridge {
    /// Takes every packet that waits.
    func hearSupervisor() {
        do {
            while true {
                switch try control.receive() {
                case .wouldBlock: return
                case .ended:
                    poller.remove(control.descriptor)
                    isOver = true
                    return
                case .packet(let packet): try understand(packet)
                }
            }
        } catch {
            Journal.log(.workerFailed, [.worker: "bridge", .reason: "the control channel failed: \(error)"])
            isOver = true
        }
    }

    private func understand(_ packet: ControlChannel.Packet) throws {
        let bytes = packet.bytes
        switch try FrameHead.read(bytes.span.raw, at: 0)?.type {
        case .ping:
            count(.messagesUnconfirmed, to: outbound.count)
            count(.messagesUnacknowledged, to: inbound.count)
            try control.send(Pong(sequence: Ping(decoding: bytes).sequence, counters: counters).encoded())
        case .takeOver:
            serves = true
            consumer.orders.post(.begin)
            try control.send(Ready().encoded())
        case .bridgeWaiting: waiting = try BridgeWaiting(decoding: bytes).messages
        case .bridgeSettings: change(try BridgeSettings(decoding: bytes))
        case .channelOffer:
            guard let descriptor = packet.descriptors.first else { throw FrameError("a channel without a descriptor") }
            _ = try ChannelOffer(decoding: bytes)
            join(descriptor)
        case .peerGone: loseRouter()
        case .retire: finish(Retired().encoded(), limit: Self.settlingTime)
        case .stop: finish(Stopped().encoded(), limit: UInt64(try Stop(decoding: bytes).limit) / 2)
        default: throw FrameError("a frame that is not for the bridge")
        }
    }

    /// Milliseconds that what is under way may take before this process gives its place to another, or other settings apply.
    static let settlingTime: UInt64 = 400

    private func change(_ new: BridgeSettings) {
        guard new != settings else { return }
        settings = new
        translator = Translator(new)
        Journal.configure(level: .init(number: new.logLevel), connections: true)
        publisher.orders.post(.settings(new))
        consumer.orders.post(.settings(new))
    }

    /// Lets what is under way come to its end, takes nothing more, and then leaves.
    private func finish(_ farewell: [UInt8], limit: UInt64) {
        guard endsAt == nil else { return }
        self.farewell = farewell
        endsAt = monotonicMilliseconds() + limit
        congest(true)
        publisher.orders.post(.finish)
        consumer.orders.post(.finish)
    }

    /// The last thing.
    func leave() {
        router.disconnect()
        router.flush(&poller)
        _ = try? control.send(farewell)
        isOver = true
    }

    /// Tells the supervisor how things stand, where that has changed.
    func reportState() {
        let states = [publisherState, consumerState]
        let reasons = states.compactMap { if case .down(let reason) = $0 { reason } else { nil } }
        let problem = reasons.first ?? (states.contains(.connecting) ? "the bridge has not been connected yet" : "")
        count(.connected, to: problem.isEmpty ? 1 : 0)
        guard problem != self.problem else { return }
        self.problem = problem
        _ = try? control.send(BridgeState(problem: problem).encoded())
    }
}
