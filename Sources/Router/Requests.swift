// What listeners ask of the router beside messages: sessions and their end, subscriptions, flow.

import Journal
import MQTT
import Messages

extension Router {
    @inline(never)
    mutating func handleRequest(_ link: Int, _ bytes: RawSpan, _ type: FrameType) throws(FrameError) {
        switch type {
        case .hello:
            guard try Hello(decoding: bytes).worker == links[link].worker, !links[link].saidHello else {
                throw FrameError("a greeting that does not fit the channel")
            }
            links[link].saidHello = true
        case .connect: try connect(link, ConnectFrame(decoding: bytes))
        case .disconnected: disconnected(link, try DisconnectedFrame(decoding: bytes))
        case .subscribe: subscribe(link, try SubscribeFrame(decoding: bytes))
        case .unsubscribe: unsubscribe(link, try UnsubscribeFrame(decoding: bytes))
        case .congestion: congestion(link, try CongestionFrame(decoding: bytes))
        case .consumed:
            let offset = try ConsumedFrame(decoding: bytes).offset
            guard offset >= links[link].consumed, offset <= links[link].produced else {
                throw FrameError("a listener that consumed what was never sent")
            }
            links[link].consumed = offset
        default: throw FrameError("a frame that is not for the router")
        }
    }

    private mutating func congestion(_ link: Int, _ frame: CongestionFrame) {
        guard let number = session(link, frame.slot, frame.generation) else { return }
        if frame.congested {
            sessions[number].flags.insert(.congested)
        } else {
            sessions[number].flags.remove(.congested)
            if !sessions[number].queue.isEmpty { wait(number) }
        }
    }

    private mutating func subscribe(_ link: Int, _ frame: SubscribeFrame) {
        guard let number = session(link, frame.slot, frame.generation) else { return }
        var codes: [UInt8] = []
        var replayed: [(filter: [UInt8], qos: UInt8)] = []
        for item in frame.items {
            // Shared subscriptions are not offered, as CONNACK says (MQTT 5 §3.2.2.3.13); taken for an ordinary filter
            // one would be granted, and never match.
            if item.filter.starts(with: "$share/".utf8) {
                codes.append(ReasonCode.sharedSubscriptionsNotSupported.rawValue)
                count(.subscriptionsRefused)
                continue
            }
            do {
                let existed = try tree.subscribe(
                    item.filter.span, session: UInt32(number), options: item.options & 0b1111,
                    identifier: frame.identifier)
                codes.append(item.options & 0b11)
                // Retain handling: 0 always, 1 for a new subscription, 2 never [MQTT-3.3.1-9 ... 3.3.1-11].
                let handling = item.options >> 4 & 0b11
                if handling == 0 || (handling == 1 && !existed) {
                    replayed.append((item.filter, item.options & 0b11))
                }
            } catch {
                count(.subscriptionsRefused)
                codes.append(ReasonCode.quotaExceeded.rawValue)
                Journal.log(
                    .limitReached,
                    [
                        .limit: "limits.subscriptions", .clientID: text(sessions[number].clientIdentifier),
                        .reason: "\(error)",
                    ])
            }
        }
        // MQTT before 5 knows one code for failure [MQTT-3.9.3-2 of 3.1.1].
        let knowsReasons = sessions[number].isJSON || sessions[number].version == ProtocolVersion.v5.rawValue
        if !knowsReasons { codes = codes.map { $0 >= 0x80 ? 0x80 : $0 } }
        links[link].append(
            SubackFrame(
                slot: frame.slot, generation: frame.generation, packetIdentifier: frame.packetIdentifier,
                reasonCodes: codes
            ).encoded())
        for (filter, qos) in replayed { replayRetained(number, filter, qos: qos, identifier: frame.identifier) }
    }

    private mutating func unsubscribe(_ link: Int, _ frame: UnsubscribeFrame) {
        guard let number = session(link, frame.slot, frame.generation) else { return }
        let codes = frame.filters.map { filter in
            stopReplay(number, filter)
            return tree.unsubscribe(filter.span, session: UInt32(number))
                ? ReasonCode.success.rawValue : ReasonCode.noSubscriptionExisted.rawValue
        }
        links[link].append(
            UnsubackFrame(
                slot: frame.slot, generation: frame.generation, packetIdentifier: frame.packetIdentifier,
                reasonCodes: codes
            ).encoded())
    }

    func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
