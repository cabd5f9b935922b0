// Goes through the properties of a packet and refuses those that may not stand there. Nothing is copied: `Properties`
// keeps what this finds, the hot decoders only check.

/// One property as found; only what its kind has is filled in.
struct FoundProperty {
    let identifier: PropertyIdentifier
    /// The value of a boolean or number.
    var number = 0
    /// The string, binary data, or a pair's name.
    var range = 0..<0
    /// A pair's value.
    var second = 0..<0
}

/// The properties of one packet that have not been looked at yet.
struct PropertyCursor: ~Escapable {
    private(set) var reader: PacketReader
    private let packets: PacketSet
    private let sender: Sender
    /// A bit for each identifier found.
    private var seen: UInt64 = 0

    /// Over the encoded properties in `range`, without their length.
    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>, _ range: Range<Int>, of packet: PacketSet, from sender: Sender) {
        reader = PacketReader(bytes, range)
        packets = packet
        self.sender = sender
    }

    /// Nil: there are no more.
    mutating func next() throws(ProtocolError) -> FoundProperty? {
        if reader.isAtEnd {
            try checkEnd()
            return nil
        }
        guard let identifier = PropertyIdentifier(rawValue: try reader.byte()) else {
            throw .malformed("a property that is not defined", "MQTT-2.2.2.2")
        }
        let (kind, packets) = identifier.rule
        guard !packets.isDisjoint(with: self.packets) else {
            throw .malformed("a property that its packet may not have", "MQTT-2.2.2.2")
        }
        try checkSender(identifier)
        let bit: UInt64 = 1 << UInt64(identifier.rawValue)
        if seen & bit != 0, identifier != .userProperty {
            guard identifier == .subscriptionIdentifier, self.packets == .publish else {
                throw .forbidden("a property that stands twice", "MQTT-2.2.2.2")
            }
        }
        seen |= bit
        return try value(identifier, kind)
    }

    private mutating func value(
        _ identifier: PropertyIdentifier, _ kind: PropertyKind
    ) throws(ProtocolError) -> FoundProperty {
        var found = FoundProperty(identifier: identifier)
        switch kind {
        case .boolean: found.number = Int(try reader.byte())
        case .twoBytes, .twoBytesNotZero: found.number = Int(try reader.twoBytes())
        case .fourBytes, .fourBytesNotZero: found.number = Int(try reader.fourBytes())
        case .variableNotZero: found.number = try reader.variable()
        case .string, .topicName: found.range = try reader.text()
        case .binary: found.range = try reader.binary()
        case .stringPair:
            // [MQTT-1.5.7-1]
            found.range = try reader.text()
            found.second = try reader.text()
        }
        switch kind {
        case .boolean:
            guard found.number <= 1 else {
                throw .forbidden("a property that is 0 or 1 has another value", "MQTT-2.2.2.2")
            }
        case .twoBytesNotZero, .fourBytesNotZero, .variableNotZero:
            guard found.number != 0 else { throw Self.zero(identifier) }
        case .topicName:
            // [MQTT-3.3.2-14]
            try TopicName.check(reader.bytes.extracting(found.range))
        default: break
        }
        return found
    }

    private func checkSender(_ identifier: PropertyIdentifier) throws(ProtocolError) {
        if identifier == .subscriptionIdentifier, sender == .client, packets == .publish {
            throw .forbidden("a client's PUBLISH with a subscription identifier", "MQTT-3.3.4-6")
        }
        if identifier == .sessionExpiryInterval, sender == .server, packets == .disconnect {
            throw .forbidden("a server's DISCONNECT with a session expiry interval", "MQTT-3.14.2-2")
        }
    }

    private func checkEnd() throws(ProtocolError) {
        let method: UInt64 = 1 << UInt64(PropertyIdentifier.authenticationMethod.rawValue)
        let data: UInt64 = 1 << UInt64(PropertyIdentifier.authenticationData.rawValue)
        if seen & data != 0, seen & method == 0 {
            throw .forbidden("authentication data without an authentication method", "MQTT-3.1.2.11.10")
        }
    }

    private static func zero(_ identifier: PropertyIdentifier) -> ProtocolError {
        switch identifier {
        case .topicAlias:
            ProtocolError(reason: .topicAliasInvalid, what: "a topic alias of 0", clause: "MQTT-3.3.2-8")
        case .receiveMaximum: .forbidden("a receive maximum of 0", "MQTT-3.1.2.11.3")
        case .maximumPacketSize: .forbidden("a maximum packet size of 0", "MQTT-3.1.2.11.4")
        default: .forbidden("a subscription identifier of 0", "MQTT-3.8.2.1.2")
        }
    }
}
