// The subscriptions of a connection whose session ends with it: what a new router is told of them. Changed within batches,
// by the router's answers.

import CArena
import Messages

/// One subscription, as the router granted it.
package struct KeptSubscription: Equatable {
    /// The subscription identifier; 0: none.
    package var identifier: UInt32
    /// The options byte of SUBSCRIBE.
    package var options: UInt8
    package var filter: [UInt8]

    package init(identifier: UInt32, options: UInt8, filter: [UInt8]) {
        self.identifier = identifier
        self.options = options
        self.filter = filter
    }
}

extension Arena {
    /// Bytes of a subscription before its filter.
    private static var headByteCount: Int { 9 }

    /// Every subscription of the connection, in the order in which they were made.
    package func subscriptions(_ slot: Int) -> [KeptSubscription] {
        guard hasRecord(slot) else { return [] }
        let bytes = bytes(of: .subscriptions, slot: slot)
        var found: [KeptSubscription] = []
        var position = 0
        while position < bytes.byteCount {
            let length = Int(bytes.load32(at: position))
            let start = position + Self.headByteCount
            found.append(
                KeptSubscription(
                    identifier: bytes.load32(at: position + 4), options: bytes.load8(at: position + 8),
                    filter: (0..<length).map { bytes.load8(at: start + $0) }))
            position = start + length
        }
        return found
    }

    /// Notes subscriptions that were granted; each replaces the one with its filter. The record was touched.
    /// - Returns: false when the arena is exhausted.
    package mutating func keep(_ granted: [KeptSubscription], slot: Int) -> Bool {
        guard forget(granted.map(\.filter), slot: slot) else { return false }
        for subscription in granted {
            let length = subscription.filter.count
            guard var span = append(Self.headByteCount + length, to: .subscriptions, slot: slot) else { return false }
            span.store(UInt32(length), at: 0)
            span.store(subscription.identifier, at: 4)
            span.store(subscription.options, at: 8)
            span.copy(subscription.filter.span.raw, at: Self.headByteCount)
        }
        return true
    }

    /// Forgets the subscriptions with these filters. The record was touched.
    /// - Returns: false when the arena is exhausted.
    package mutating func forget(_ filters: [[UInt8]], slot: Int) -> Bool {
        let bytes = bytes(of: .subscriptions, slot: slot)
        var stale: [Range<Int>] = []
        var position = 0
        while position < bytes.byteCount {
            let length = Int(bytes.load32(at: position))
            let start = position + Self.headByteCount
            if filters.contains(where: { $0.count == length && bytes.holds($0.span.raw, at: start) }) {
                stale.append(position..<(start + length))
            }
            position = start + length
        }
        guard !stale.isEmpty else { return true }
        var kept: [UInt8] = []
        position = 0
        for range in stale + [bytes.byteCount..<bytes.byteCount] {
            kept += bytes.extracting(position..<range.lowerBound).array
            position = range.upperBound
        }
        return replace(.subscriptions, with: kept, slot: slot)
    }
}
