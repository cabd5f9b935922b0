// The versions of MQTT that Apus speaks. Everyone who decodes or encodes a packet names one.

/// A version of MQTT; the raw value is the protocol level in CONNECT.
package enum ProtocolVersion: UInt8, Sendable, CaseIterable {
    /// MQTT 3.1 ("MQIsdp").
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case v3_1 = 3
    /// MQTT 3.1.1, OASIS.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case v3_1_1 = 4
    /// MQTT 5.0, OASIS.
    case v5 = 5

    /// Whether packets carry properties and reason codes.
    @inlinable @inline(__always)
    package var hasProperties: Bool { self == .v5 }
}

/// Who sent a packet: some fields are allowed in one direction only.
package enum Sender: UInt8, Sendable, CaseIterable {
    case client
    case server
}
