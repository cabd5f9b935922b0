// SUBSCRIBE and UNSUBSCRIBE. What concerns a durable session is answered once it is on disk.

import EventLoop
import Journal
import MQTT
import Messages
import Store

extension Router {
    mutating func subscribe(_ link: Int, _ frame: SubscribeFrame) {
        guard let number = session(link, frame.slot, frame.generation) else { return }
        var codes: [UInt8] = []
        var granted: [SubscribeFrame.Item] = []
        var replayed: [(filter: [UInt8], qos: UInt8)] = []
        for item in frame.items {
            guard let existed = add(number, item, frame.identifier) else {
                codes.append(ReasonCode.quotaExceeded.rawValue)
                continue
            }
            codes.append(item.options & 0b11)
            if !sessions[number].isDurable { granted.append(item) }
            // Retain handling: 0 always, 1 for a new subscription, 2 never [MQTT-3.3.1-9 ... 3.3.1-11]; and never for a
            // shared one (MQTT 5 §4.8.2).
            let handling = item.options >> 4 & 0b11
            if handling == 0 || (handling == 1 && !existed), !item.filter.starts(with: "$share/".utf8) {
                replayed.append((item.filter, item.options & 0b11))
            }
        }
        // MQTT before 5 knows one code for failure [MQTT-3.9.3-2 of 3.1.1].
        let knowsReasons = sessions[number].isJSON || sessions[number].version == ProtocolVersion.v5.rawValue
        if !knowsReasons { codes = codes.map { $0 >= 0x80 ? 0x80 : $0 } }
        answer(
            number,
            SubackFrame(
                slot: frame.slot, generation: frame.generation, packetIdentifier: frame.packetIdentifier,
                reasonCodes: codes, identifier: frame.identifier, items: granted
            ).encoded())
        for (filter, qos) in replayed { replayRetained(number, filter, qos: qos, identifier: frame.identifier) }
    }

    /// - Returns: whether there was such a subscription; nil where it was refused.
    private mutating func add(_ number: Int, _ item: SubscribeFrame.Item, _ identifier: UInt32) -> Bool? {
        // What could not be kept is not promised.
        if isStoreFull, sessions[number].isDurable {
            count(.storeRefused)
            return nil
        }
        do throws(SubscriptionRefused) {
            let existed = try tree.subscribe(
                item.filter.span, session: UInt32(number), options: item.options & 0b1111, identifier: identifier)
            if sessions[number].isDurable {
                log.putSubscription(
                    UInt32(number), item.filter.span.raw, options: item.options & 0b1111, identifier: identifier)
            }
            // The former router may have stored it for this very frame.
            return existed && !replay.isStored
        } catch {
            count(.subscriptionsRefused)
            Journal.log(
                .limitReached,
                [.limit: "limits.subscriptions", .reason: "\(error)"], of: client(number))
            return nil
        }
    }

    mutating func unsubscribe(_ link: Int, _ frame: UnsubscribeFrame) {
        guard let number = session(link, frame.slot, frame.generation) else { return }
        var codes: [UInt8] = []
        for filter in frame.filters {
            stopReplay(number, filter)
            guard tree.unsubscribe(filter.span, session: UInt32(number)) || replay.isStored else {
                codes.append(ReasonCode.noSubscriptionExisted.rawValue)
                continue
            }
            if sessions[number].isDurable { log.removeSubscription(UInt32(number), filter.span.raw) }
            codes.append(ReasonCode.success.rawValue)
        }
        answer(
            number,
            UnsubackFrame(
                slot: frame.slot, generation: frame.generation, packetIdentifier: frame.packetIdentifier,
                reasonCodes: codes, filters: sessions[number].isDurable ? [] : frame.filters
            ).encoded())
    }

    func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
