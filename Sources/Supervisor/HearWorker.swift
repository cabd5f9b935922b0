// Reads what workers report, and keeps their heartbeats. A worker that breaks the catalogue is killed and replaced;
// reports about what is no longer there are ignored.

internal import Channel
internal import Configuration
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages

extension Supervisor {
    /// The most frames of one worker that are read in a turn.
    private static let framesPerTurn = 256

    /// A worker's control channel is readable, or has ended.
    func hear(_ worker: Worker, _ now: UInt64, all: Bool = false) {
        var left = all ? Int.max : Self.framesPerTurn
        while left > 0 {
            left -= 1
            let packet: ControlChannel.Packet
            do throws(SystemError) {
                switch try worker.channel.receive() {
                case .packet(let received): packet = received
                case .wouldBlock: return
                case .ended:
                    channelEnded(worker, now)
                    return
                }
            } catch {
                log(worker, cut: "\(error)")
                poller.remove(worker.channel.descriptor)
                end(worker, now)
                return
            }
            if worker.phase == .adopting, let held = try? Held(decoding: packet.bytes),
                held.place == worker.place.number
            {
                if worker.fence == 0 {
                    takeHeld(held, packet.descriptors)
                } else {
                    for descriptor in packet.descriptors { close(descriptor) }
                }
                continue
            }
            // No other report carries descriptors; those that come are not kept.
            for descriptor in packet.descriptors { close(descriptor) }
            guard worker.killed == nil else { continue }
            do throws(FrameError) {
                try understand(packet.bytes, from: worker, now)
            } catch {
                log(worker, cut: "it sent what the catalogue does not allow: \(error)")
                end(worker, now)
            }
        }
    }

    func log(_ worker: Worker, cut reason: String) {
        Journal.log(.channelCut, [.reason: reason], of: worker.fields)
    }

    private func understand(_ frame: [UInt8], from worker: Worker, _ now: UInt64) throws(FrameError) {
        guard let header = unsafe try FrameHead.read(frame.span.bytes, at: 0) else {
            throw FrameError("frame shorter than its header")
        }
        switch header.type {
        case .prepared:
            worker.program = try Prepared(decoding: frame).program
            becamePrepared(worker, now)
        case .ready:
            worker.program = try Ready(decoding: frame).program
            becameReady(worker, now)
        case .retired:
            _ = try Retired(decoding: frame)
            hasRetired(worker, now)
        case .adopted:
            worker.program = try Adopted(decoding: frame).program
            becameAdopted(worker, now)
        case .streamAnswer: streamsAnswered(try StreamAnswer(decoding: frame), now)
        case .pong:
            let pong = try Pong(decoding: frame)
            worker.heartbeat.pong(sequence: pong.sequence)
            if pong.sequence == worker.fence { worker.fence = 0 }
            worker.counters = pong.counters
        case .closed:
            closed(try Closed(decoding: frame), by: worker, now)
        case .stopped:
            _ = try Stopped(decoding: frame)
            hasStopped(worker, now)
        case .bridgeState:
            worker.place.problem = try BridgeState(decoding: frame).problem
            updateStatusLine()
        case .authState: passwordsRead(try AuthState(decoding: frame), by: worker, now)
        case .answer: answered(try Answer(decoding: frame), now)
        case .fault:
            let fault = try Fault(decoding: frame)
            blame(fault, by: worker, now)
        default: throw FrameError("a frame that workers do not send")
        }
    }

    private func becameReady(_ worker: Worker, _ now: UInt64) {
        // The former supervisor had told it to serve.
        if worker.phase == .adopting { worker.told = worker.told ?? now }
        guard worker.phase == .starting || worker.phase == .prepared else { return }
        worker.phase = .ready
        worker.readySince = now
        worker.place.failedStarts = 0
        worker.place.served += 1
        worker.heartbeat = makeHeartbeat(now)
        timers.cancel(.start(worker.number))
        Journal.log(
            .workerReady, [.duration: "\(now - (worker.told ?? worker.started))"], of: worker.fields)
        serves(worker, now)
        noticeReadiness(now)
    }

    /// A worker reports that a peer broke the catalogue. A report about one that was replaced already is late.
    private func blame(_ fault: Fault, by worker: Worker, _ now: UInt64) {
        guard let culprit = places.first(where: { $0.number == fault.worker })?.worker, culprit.phase != .ending,
            wires.contains(where: { $0.joins(fault.worker) && $0.joins(worker.place.number) })
                || isJoinedByAuth(culprit, worker)
        else { return }
        log(culprit, cut: "\(worker.place.label) says: \(fault.what)")
        culprit.isBlamed = true
        end(culprit, now)
    }

    /// The worker is exiting; where its process stays nevertheless, it is killed.
    private func channelEnded(_ worker: Worker, _ now: UInt64) {
        poller.remove(worker.channel.descriptor)
        if worker.phase != .stopping, worker.phase != .retiring { worker.phase = .ending }
        timers.set(.lingering(worker.number), at: now + 1000)
    }

    /// How much the router keeps for a bridge.
    private func tellWaiting(_ worker: Worker, _ now: UInt64) {
        let waiting = messagesForBridge
        guard worker.toldWaiting != waiting else { return }
        worker.toldWaiting = waiting
        send(BridgeWaiting(messages: waiting), to: worker, now)
    }

    /// Every worker's heartbeat; the status line with it.
    func beat(_ now: UInt64) {
        let settings = configuration.supervisor
        let interval = UInt64(settings.heartbeatInterval.milliseconds)
        let timeout = UInt64(settings.heartbeatTimeout.milliseconds)
        timers.set(.beat, at: now + Heartbeat.beat(interval: interval, timeout: timeout))
        for worker in workers.values where worker.phase == .ready {
            worker.heartbeat.interval = interval
            worker.heartbeat.timeout = timeout
            switch worker.heartbeat.turn(now: now) {
            case .none: break
            case .ping(let sequence):
                let listeners = worker.place.role == .router ? listenerTotals() : []
                if worker.place.role == .bridge { tellWaiting(worker, now) }
                send(Ping(sequence: sequence, listeners: listeners), to: worker, now)
            case .hung:
                Journal.log(.workerHung, [.duration: "\(worker.heartbeat.silence)"], of: worker.fields)
                end(worker, now)
            }
        }
        noteMessageRate(now)
        updateStatusLine()
        extendTimeout(now)
    }
}
