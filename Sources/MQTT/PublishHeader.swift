// Finds the parts of a PUBLISH where it lies (MQTT 5 §3.3). The hot path: called for every message by listeners and
// router, copies nothing. `Publish` is the packet with storage of its own.

/// Where the parts of a PUBLISH are; all ranges are of the bytes it was read from.
@usableFromInline package struct PublishHeader: Sendable, Equatable {
    @usableFromInline package let qos: QoS
    @usableFromInline package let retain: Bool
    @usableFromInline package let duplicate: Bool
    /// 0 at QoS 0, else 1...65535.
    @usableFromInline package let packetIdentifier: UInt16
    /// The topic name; empty where an alias stands for it.
    @usableFromInline package let topic: Range<Int>
    /// The encoded properties, checked, without their length; empty before v5.
    @usableFromInline package let properties: Range<Int>
    @usableFromInline package let payload: Range<Int>
    /// Whether the publisher says that the payload is UTF-8 text, which is not checked here.
    @usableFromInline package let isText: Bool
    /// 1...65535; 0: none. Limits are the caller's.
    @usableFromInline package let topicAlias: UInt16
    /// Where the alias property starts, 0: nowhere.
    @usableFromInline let aliasOffset: Int

    @inlinable @inline(__always)
    package var hasProperties: Bool { !properties.isEmpty }

    /// The three bytes of `properties` that hold the alias, for those who forward the others; empty if there is none.
    @inlinable @inline(__always)
    package var topicAliasProperty: Range<Int> { aliasOffset..<(aliasOffset &+ (topicAlias == 0 ? 0 : 3)) }

    /// Reads the PUBLISH at `offset`, all of which must be there, and whose fixed header is `header`.
    @inlinable @inline(__always)
    package init(
        _ bytes: Span<UInt8>, at offset: Int, header: FixedHeader, version: ProtocolVersion,
        from sender: Sender = .client
    ) throws(ProtocolError) {
        let end = offset &+ header.packetLength
        guard end <= bytes.count else { throw .cutShort }
        let flags = header.flags
        guard let qos = QoS(rawValue: flags >> 1 & 0b11) else {
            throw .malformed("a PUBLISH with QoS 3", "MQTT-3.3.1-4")
        }
        let duplicate = flags & 0b1000 != 0
        if duplicate, qos == .atMostOnce, version != .v3_1 {
            throw .malformed("a PUBLISH with DUP at QoS 0", "MQTT-3.3.1-2")
        }

        // The topic, with its two bytes of length, and the identifier behind it.
        let topicStart = offset &+ header.headerLength &+ 2
        let identifierLength = qos == .atMostOnce ? 0 : 2
        guard topicStart &+ identifierLength <= end else { throw .cutShort }
        let topicEnd = topicStart &+ (Int(bytes[topicStart &- 2]) << 8 | Int(bytes[topicStart &- 1]))
        var position = topicEnd &+ identifierLength
        guard position <= end else { throw .cutShort }
        if topicStart < topicEnd { try TopicName.check(bytes.extracting(topicStart..<topicEnd)) }
        if qos == .atMostOnce {
            packetIdentifier = 0
        } else {
            packetIdentifier = UInt16(bytes[topicEnd]) << 8 | UInt16(bytes[topicEnd &+ 1])
            guard packetIdentifier != 0 else { throw .zeroPacketIdentifier }
        }

        if version == .v5 {
            guard position < end else { throw .cutShort }
            if bytes[position] == 0 {
                position &+= 1
                properties = position..<position
                (topicAlias, aliasOffset, isText) = (0, 0, false)
            } else {
                let found = try Self.checkProperties(bytes, at: position, end: end, from: sender)
                properties = found.range
                position = found.range.upperBound
                (topicAlias, aliasOffset, isText) = (found.alias, found.aliasOffset, found.isText)
            }
        } else {
            properties = position..<position
            (topicAlias, aliasOffset, isText) = (0, 0, false)
        }
        if topicStart == topicEnd, topicAlias == 0 {
            throw .forbidden("a PUBLISH with neither a topic name nor an alias", "MQTT-3.3.2.1")
        }

        self.qos = qos
        self.duplicate = duplicate
        retain = flags & 1 != 0
        topic = topicStart..<topicEnd
        payload = position..<end
    }

    /// Reads the length of the properties at `position`, and checks them.
    @usableFromInline @inline(never)
    static func checkProperties(
        _ bytes: Span<UInt8>, at position: Int, end: Int, from sender: Sender
    ) throws(ProtocolError) -> (range: Range<Int>, alias: UInt16, aliasOffset: Int, isText: Bool) {
        var reader = PacketReader(bytes, position..<end)
        let range = try reader.range(try reader.variable())
        var alias: (value: UInt16, offset: Int) = (0, 0)
        var isText = false
        var cursor = PropertyCursor(bytes, range, of: .publish, from: sender)
        while let property = try cursor.next() {
            switch property.identifier {
            case .topicAlias: alias = (UInt16(property.number), cursor.reader.position - 3)
            case .payloadFormatIndicator: isText = property.number == 1
            default: break
            }
        }
        return (range, alias.value, alias.offset, isText)
    }
}
