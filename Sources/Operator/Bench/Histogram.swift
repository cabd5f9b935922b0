// Latencies of millions of messages in a few kilobytes: buckets whose width grows with the value.

/// Counts values, each to within a 32nd of itself.
package struct Histogram: Sendable {
    /// Values below 64 have a bucket each; above, every power of two has 32.
    private var buckets = [UInt64](repeating: 0, count: 60 * 32)
    package private(set) var count: UInt64 = 0
    package private(set) var maximum: UInt64 = 0

    package init() {}

    package mutating func add(_ value: UInt64) {
        buckets[Self.bucket(of: value)] += 1
        count += 1
        maximum = max(maximum, value)
    }

    /// The value that this part of all values, 0 to 1, does not exceed; 0 where there are none.
    package func percentile(_ part: Double) -> UInt64 {
        guard count > 0 else { return 0 }
        let rank = max(1, UInt64((Double(count) * part).rounded(.up)))
        var seen: UInt64 = 0
        for (index, bucket) in buckets.enumerated() {
            seen += bucket
            if seen >= rank { return min(Self.upperEnd(of: index), maximum) }
        }
        return maximum
    }

    private static func bucket(of value: UInt64) -> Int {
        guard value >= 64 else { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        // Five bits behind the leading one tell the bucket within its power of two.
        return (exponent - 4) * 32 + Int(value >> (exponent - 5) & 31)
    }

    private static func upperEnd(of bucket: Int) -> UInt64 {
        guard bucket >= 64 else { return UInt64(bucket) }
        let exponent = bucket / 32 + 4
        return (UInt64(32 + bucket % 32 + 1) << (exponent - 5)) &- 1
    }
}
