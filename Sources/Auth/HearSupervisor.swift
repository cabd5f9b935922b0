// What the supervisor says, and what it is told.

internal import Channel
internal import EventLoop
internal import Journal
internal import Messages

extension AuthWorker {
    /// Takes every packet that waits.
    func hearSupervisor() {
        do {
            while !isOver {
                switch try control.receive() {
                case .wouldBlock: return
                case .ended:
                    poller.remove(control.descriptor)
                    isOver = true
                case .packet(let packet): try understand(packet)
                }
            }
        } catch {
            Journal.log(.workerFailed, [.worker: "auth", .reason: "the control channel failed: \(error)"])
            isOver = true
        }
    }

    private func understand(_ packet: ControlChannel.Packet) throws {
        let bytes = packet.bytes
        switch try FrameHead.read(bytes.span.raw, at: 0)?.type {
        case .ping:
            try control.send(Pong(sequence: Ping(decoding: bytes).sequence, counters: doorkeeper.report).encoded())
        case .takeOver: try control.send(Ready().encoded())
        case .authSettings: try change(AuthSettings(decoding: bytes))
        case .channelOffer:
            guard let descriptor = packet.descriptors.first else { throw FrameError("a channel without a descriptor") }
            try join(descriptor, ChannelOffer(decoding: bytes))
        // Its channel tells it too.
        case .peerGone: break
        case .retire: try leave(Retired().encoded())
        case .stop: try leave(Stopped().encoded())
        default: throw FrameError("a frame that is not for auth")
        }
    }

    private func change(_ new: AuthSettings) throws {
        settings = new
        Journal.configure(level: .init(number: new.logLevel), connections: true)
        doorkeeper.comparisonLimit = Int(new.requests)
        doorkeeper.exchangeLimit = Int(new.connections)
        try pool.grow(to: Int(new.threads))
        readPasswords()
    }

    /// Whoever waits for an answer asks the next process.
    private func leave(_ farewell: [UInt8]) throws {
        try control.send(farewell)
        isOver = true
    }
}
