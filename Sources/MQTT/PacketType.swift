// The kinds of control packet, and the flags that each must carry.

/// The type of a control packet: the upper half of its first byte (MQTT 5 §2.1.2).
package enum PacketType: UInt8, Sendable, CaseIterable {
    case connect = 1
    case connack, publish, puback, pubrec, pubrel, pubcomp
    case subscribe, suback, unsubscribe, unsuback
    case pingreq, pingresp
    case disconnect
    /// Since MQTT 5; before, 15 is reserved like 0.
    case auth

    /// Nil for 0, which is reserved, and for what does not fit four bits.
    @inlinable @inline(__always)
    package init?(rawValue: UInt8) {
        switch rawValue {
        case 1: self = .connect
        case 2: self = .connack
        case 3: self = .publish
        case 4: self = .puback
        case 5: self = .pubrec
        case 6: self = .pubrel
        case 7: self = .pubcomp
        case 8: self = .subscribe
        case 9: self = .suback
        case 10: self = .unsubscribe
        case 11: self = .unsuback
        case 12: self = .pingreq
        case 13: self = .pingresp
        case 14: self = .disconnect
        case 15: self = .auth
        default: return nil
        }
    }

    /// The lower half of the first byte of every packet of this type but PUBLISH, where they have a meaning.
    @inlinable @inline(__always)
    package var reservedFlags: UInt8 {
        switch self {
        // [MQTT-3.6.1-1], [MQTT-3.8.1-1], [MQTT-3.10.1-1]
        case .pubrel, .subscribe, .unsubscribe: 0b0010
        default: 0
        }
    }

    /// The first byte of a packet of this type; for PUBLISH without its flags.
    @inlinable @inline(__always)
    package var firstByte: UInt8 { rawValue << 4 | reservedFlags }
}

extension PacketType: CustomStringConvertible {
    /// The name that the specification writes, in capitals.
    package var description: String {
        switch self {
        case .connect: "CONNECT"
        case .connack: "CONNACK"
        case .publish: "PUBLISH"
        case .puback: "PUBACK"
        case .pubrec: "PUBREC"
        case .pubrel: "PUBREL"
        case .pubcomp: "PUBCOMP"
        case .subscribe: "SUBSCRIBE"
        case .suback: "SUBACK"
        case .unsubscribe: "UNSUBSCRIBE"
        case .unsuback: "UNSUBACK"
        case .pingreq: "PINGREQ"
        case .pingresp: "PINGRESP"
        case .disconnect: "DISCONNECT"
        case .auth: "AUTH"
        }
    }
}
