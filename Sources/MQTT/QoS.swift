// Quality of service, as in the flags of PUBLISH, in subscription options and in CONNECT's will flags.

/// How often a message arrives: at most once, at least once or exactly once (MQTT 5 §4.3).
package enum QoS: UInt8, Sendable, CaseIterable, Comparable {
    case atMostOnce = 0
    case atLeastOnce
    case exactlyOnce

    /// Nil for 3, which no packet may carry [MQTT-3.3.1-4], and for what does not fit two bits.
    @inlinable @inline(__always)
    package init?(rawValue: UInt8) {
        switch rawValue {
        case 0: self = .atMostOnce
        case 1: self = .atLeastOnce
        case 2: self = .exactlyOnce
        default: return nil
        }
    }

    /// The two bits that stand for it on the wire.
    @inlinable @inline(__always)
    package var rawValue: UInt8 {
        switch self {
        case .atMostOnce: 0
        case .atLeastOnce: 1
        case .exactlyOnce: 2
        }
    }

    @inlinable @inline(__always)
    package static func < (a: QoS, b: QoS) -> Bool { a.rawValue < b.rawValue }
}
