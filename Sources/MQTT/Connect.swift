// CONNECT, with which a client opens every connection (MQTT 5 §3.1). `Connect+Decode.swift` says what is refused.

/// Who connects, and on which terms.
package struct Connect: Sendable, Equatable {
    package var version: ProtocolVersion
    /// Whether to begin a new session; before v5 also whether it ends with the connection.
    package var cleanStart: Bool
    /// Seconds; 0: off.
    package var keepAlive: UInt16
    /// Empty where the server is to choose; never in 3.1.
    package var clientIdentifier: String
    package var will: Will?
    package var username: String?
    /// Before v5 only together with a user name.
    package var password: [UInt8]?
    /// v5 only.
    package var properties: Properties

    package init(
        version: ProtocolVersion, clientIdentifier: String, cleanStart: Bool = true, keepAlive: UInt16 = 0,
        will: Will? = nil, username: String? = nil, password: [UInt8]? = nil, properties: Properties = Properties()
    ) {
        self.version = version
        self.clientIdentifier = clientIdentifier
        self.cleanStart = cleanStart
        self.keepAlive = keepAlive
        self.will = will
        self.username = username
        self.password = password
        self.properties = properties
    }

    /// Appends the packet in its own version.
    package func encode(into output: inout [UInt8]) {
        var flags: ConnectFlags = cleanStart ? .cleanStart : []
        if let will { flags.formUnion(ConnectFlags(will)) }
        if username != nil { flags.insert(.username) }
        if password != nil { flags.insert(.password) }

        var writer = PacketWriter()
        writer.string(version == .v3_1 ? "MQIsdp" : "MQTT")
        writer.byte(version.rawValue)
        writer.byte(flags.rawValue)
        writer.twoBytes(keepAlive)
        if version == .v5 { writer.properties(properties) }
        // [MQTT-3.1.3-1]: in this order.
        writer.string(clientIdentifier)
        if let will {
            if version == .v5 { writer.properties(will.properties) }
            writer.string(will.topic)
            writer.binary(will.payload)
        }
        if let username { writer.string(username) }
        if let password { writer.binary(password) }
        writer.finish(PacketType.connect.firstByte, into: &output)
    }
}

/// The byte of flags behind the protocol level (MQTT 5 §3.1.2.3).
struct ConnectFlags: OptionSet {
    let rawValue: UInt8

    static let reserved = ConnectFlags(rawValue: 0x01)
    static let cleanStart = ConnectFlags(rawValue: 0x02)
    static let will = ConnectFlags(rawValue: 0x04)
    static let willQoS = ConnectFlags(rawValue: 0x18)
    static let willRetain = ConnectFlags(rawValue: 0x20)
    static let password = ConnectFlags(rawValue: 0x40)
    static let username = ConnectFlags(rawValue: 0x80)

    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The flags that stand for a will.
    init(_ will: Will) {
        self = [.will, ConnectFlags(rawValue: will.qos.rawValue << 3)]
        if will.retain { insert(.willRetain) }
    }
}
