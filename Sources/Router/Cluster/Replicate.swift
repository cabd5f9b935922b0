// Retained messages are the same at all brokers of a cluster: each change has a stamp and is told to the others, and of two
// changes of a topic the one with the later stamp holds everywhere, in whichever order they are heard of.

import EventLoop
import MQTT
import Messages
import Store

extension Router {
    /// Seconds that a topic is known as cleared: what another broker retained earlier, and tells only now, is left out for so long.
    static var clearedFor: UInt32 { 7 * 86_400 }

    /// Items that may wait for what the store has.
    private static var mostPostponed: Int { 65_536 }

    var isInCluster: Bool { settings.bridge?.isCluster == true && bridge >= 0 }

    /// Whether other brokers are to know what is retained for a topic: whether its messages go there.
    mutating func isShared(_ topic: Span<UInt8>) -> Bool {
        guard isInCluster, topic[0] != UInt8(ascii: "$") else { return false }
        // As it is without `outbound`; what is matched needs no room among the topics that are matched often.
        if settings.bridge?.items.contains(where: { $0.filter == [UInt8(ascii: "#")] }) == true { return true }
        let rows = tree.match(topic)
        return rows.indices.contains { !tree[$0].isGroup && tree[$0].session == UInt32(bridge) }
    }

    /// The stamp of what is retained now: later than what there is. 0 outside a cluster.
    func nextStamp(_ topic: Span<UInt8>) -> UInt64 {
        guard isInCluster else { return 0 }
        let known = retained.find(topic)
        return max(wallNanoseconds(), known == none ? 0 : stamp(of: known) &+ 1)
    }

    /// What is from a time before there was a cluster has a stamp of its content, which is before any that is a time: so that
    /// brokers that come together agree on one, and see that they do.
    func stamp(of number: UInt32) -> UInt64 {
        let stamp = retained[number].stamp
        guard stamp == 0 else { return stamp }
        var hash = StableHash()
        hash.add(content(of: number).span)
        return 1 + hash.value >> 8
    }

    /// Payload and properties.
    private func content(of number: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        retained.copy(number, properties: [], into: &bytes)
        return Array(bytes[Int(retained[number].topicLength)...])
    }

    func item(_ number: UInt32) -> RetainedItem {
        let kept = retained[number]
        var bytes: [UInt8] = []
        retained.copy(number, properties: [], into: &bytes)
        let payload = Int(kept.topicLength)
        let properties = payload + Int(kept.payloadLength)
        return RetainedItem(
            stamp: stamp(of: number),
            secondsLeft: kept.expiresAt == 0 ? 0 : max(1, kept.expiresAt - min(kept.expiresAt, now)),
            qos: kept.qos, name: Array(bytes[..<payload]), payload: Array(bytes[payload..<properties]),
            properties: Array(bytes[properties...]))
    }

    /// What is retained for a topic has changed here.
    mutating func replicate(_ topic: Span<UInt8>) {
        let number = retained.find(topic)
        guard number != none, isShared(topic) else { return }
        var message = [RetainedItem.version]
        item(number).append(to: &message)
        tellCluster(RetainedItem.topic, message)
    }

    /// What is retained for topics has changed at another broker.
    mutating func hear(_ items: [RetainedItem]) {
        // What the store has of them is not known yet.
        guard !isLoadingRetained else {
            // With more it is found out later what was not heard.
            if postponedItems.count < Self.mostPostponed { postponedItems += items }
            return
        }
        for item in items { hear(item) }
    }

    /// Everything that was retained has been loaded.
    mutating func applyPostponed() {
        let items = postponedItems
        postponedItems = []
        hear(items)
    }

    private mutating func hear(_ item: RetainedItem) {
        let known = retained.find(item.name.span)
        guard known == none || isLater(item, than: known) else { return }
        guard !isStoreFull else { return count(.storeRefused) }
        let bytes = item.name + item.payload + item.properties
        let message = Outgoing(
            bytes.span.raw, topicLength: item.name.count, propertiesLength: item.properties.count, qos: item.qos,
            retain: true)
        let expiresAt =
            item.secondsLeft == 0 ? 0 : max(1, UInt32(clamping: UInt64(now) + UInt64(item.secondsLeft)))
        if !keepRetained(message, expiresAt: expiresAt, stamp: item.stamp), item.payload.isEmpty, known != none {
            removeRetained(item.name.span)
        }
    }

    /// Of two with one stamp the one holds whose bytes are greater, so that it is the same one everywhere.
    private func isLater(_ item: RetainedItem, than number: UInt32) -> Bool {
        let stamp = stamp(of: number)
        guard item.stamp == stamp else { return item.stamp > stamp }
        return content(of: number).lexicographicallyPrecedes(item.payload + item.properties)
    }
}

/// A hash that is the same in each process and each version: FNV-1a of 64 bits, mixed.
struct StableHash {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ bytes: Span<UInt8>) {
        for index in bytes.indices { state = (state ^ UInt64(bytes[index])) &* 0x100_0000_01B3 }
    }

    mutating func add(_ number: UInt64) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            state = (state ^ (number >> shift & 0xFF)) &* 0x100_0000_01B3
        }
    }

    var value: UInt64 {
        let mixed = (state ^ state >> 32) &* 0xD6E8_FEB8_6659_FD93
        return mixed ^ mixed >> 32
    }
}
