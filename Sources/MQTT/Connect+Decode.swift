// Decodes CONNECT in all three versions, which it finds out itself. Called by the server for the first packet of a
// connection. A client identifier of more than 23 characters passes in 3.1 too, as with other servers.
//
// A protocol level with the top bit set, with which bridges of other makers announce themselves, is refused like any
// unknown level: who accepts it promises to treat the bridge's messages differently. Such bridges then try again
// without the bit.

extension Connect {
    /// Decodes the CONNECT at `offset`, all of which must be there, and whose fixed header is `header`. Where this
    /// throws, `refusalVersion` says whether and how to answer.
    package init(decoding bytes: Span<UInt8>, at offset: Int, header: FixedHeader) throws(ProtocolError) {
        var reader = try PacketReader(bytes, at: offset, header)
        let version = try reader.protocolVersion()
        if version == .v5, header.headerLength != 1 + VariableByteInteger.encodedLength(header.remainingLength) {
            throw .malformed("the remaining length takes more bytes than it needs", "MQTT-1.5.5-1")
        }
        let flags = try reader.connectFlags(version)
        let keepAlive = try reader.twoBytes()
        let properties = version == .v5 ? try reader.properties(of: .connect, from: .client) : Properties()
        // [MQTT-3.1.3-1]: in this order.
        self.init(
            version: version, clientIdentifier: try reader.string(), cleanStart: flags.contains(.cleanStart),
            keepAlive: keepAlive, properties: properties)
        if flags.contains(.will) { will = try reader.will(flags, version) }
        // MQTT 3.1 §3.1: the packet's length takes precedence over these two flags.
        if flags.contains(.username), version != .v3_1 || !reader.isAtEnd { username = try reader.string() }
        if flags.contains(.password), version != .v3_1 || !reader.isAtEnd {
            password = reader.array(try reader.binary())
        }
        try reader.expectEnd()
        try checkClientIdentifier()
    }

    /// In which version to write the CONNACK that refuses the CONNECT at `offset`, which may be malformed. Nil: this is
    /// not MQTT, and the connection is closed without a word.
    package static func refusalVersion(
        _ bytes: Span<UInt8>, at offset: Int, header: FixedHeader
    ) -> ProtocolVersion? {
        do throws(ProtocolError) {
            var reader = try PacketReader(bytes, at: offset, header)
            let name = try reader.protocolName()
            let level = try reader.byte()
            // A client that is newer than v5 can be expected to understand v5's answer (MQTT 5 §3.1.2.2).
            return name == .v3_1 ? .v3_1 : (5..<0x80).contains(level) ? .v5 : .v3_1_1
        } catch {
            return nil
        }
    }

    private func checkClientIdentifier() throws(ProtocolError) {
        guard clientIdentifier.isEmpty else { return }
        if version == .v3_1 {
            throw ProtocolError(
                reason: .clientIdentifierNotValid, what: "an empty client identifier in MQTT 3.1",
                clause: "MQTT 3.1 §3.1")
        }
        if version == .v3_1_1, !cleanStart {
            throw ProtocolError(
                reason: .clientIdentifierNotValid, what: "an empty client identifier without a clean session",
                clause: "MQTT 3.1.1, MQTT-3.1.3-8")
        }
    }
}

extension PacketReader {
    /// The version that a protocol name begins: 3.1 has one of its own, 3.1.1 stands for itself and v5.
    fileprivate mutating func protocolName() throws(ProtocolError) -> ProtocolVersion {
        switch string(try text()) {
        case "MQTT": .v3_1_1
        case "MQIsdp": .v3_1
        default:
            throw ProtocolError(
                reason: .unsupportedProtocolVersion, what: "an unknown protocol name", clause: "MQTT-3.1.2-1")
        }
    }

    fileprivate mutating func protocolVersion() throws(ProtocolError) -> ProtocolVersion {
        let name = try protocolName()
        guard let version = ProtocolVersion(rawValue: try byte()), (version == .v3_1) == (name == .v3_1) else {
            throw ProtocolError(
                reason: .unsupportedProtocolVersion, what: "an unknown protocol level", clause: "MQTT-3.1.2-2")
        }
        return version
    }

    fileprivate mutating func connectFlags(_ version: ProtocolVersion) throws(ProtocolError) -> ConnectFlags {
        let flags = ConnectFlags(rawValue: try byte())
        // MQTT 3.1 gives the reserved flag, and those of a will that is not there, no meaning.
        if flags.contains(.reserved), version != .v3_1 {
            throw .malformed("a CONNECT with the reserved flag", "MQTT-3.1.2-3")
        }
        if !flags.contains(.will), version != .v3_1 {
            guard flags.isDisjoint(with: .willQoS) else {
                throw .malformed("a CONNECT with a will QoS but no will", "MQTT-3.1.2-11")
            }
            guard !flags.contains(.willRetain) else {
                throw .malformed("a CONNECT with will retain but no will", "MQTT-3.1.2-13")
            }
        }
        if flags.contains(.password), !flags.contains(.username), version != .v5 {
            throw .malformed("a CONNECT with a password but no user name", "MQTT 3.1.1, MQTT-3.1.2-22")
        }
        return flags
    }

    fileprivate mutating func will(
        _ flags: ConnectFlags, _ version: ProtocolVersion
    ) throws(ProtocolError) -> Will {
        guard let qos = QoS(rawValue: flags.rawValue >> 3 & 0b11) else {
            throw .malformed("a will with QoS 3", "MQTT-3.1.2-12")
        }
        let properties = version == .v5 ? try properties(of: .will, from: .client) : Properties()
        let topic = try binary()
        // [MQTT-3.1.3-11]
        try TopicName.check(bytes.extracting(topic))
        let payload = try binary()
        return Will(
            topic: string(topic), payload: array(payload), qos: qos, retain: flags.contains(.willRetain),
            properties: properties)
    }
}
