// The decoders that work in place find what the owned packets hold.

import MQTT
import Testing

@Suite struct HotPathTests {
    @Test func publishHeaderFindsTheParts() throws {
        try RandomTests.forEachKind(100) { random, type, version, sender in
            guard type == .publish else { return }
            let packet = random.publish(version, from: sender)
            let before = random.binary()
            let bytes = before + Packet.publish(packet).encoded(version) + random.binary()
            let header = try #require(try MQTTTests.header(bytes, at: before.count, version))
            let found = try PublishHeader(bytes.span, at: before.count, header: header, version: version, from: sender)
            #expect(found.qos == packet.qos)
            #expect(found.retain == packet.retain)
            #expect(found.duplicate == packet.duplicate)
            #expect(found.packetIdentifier == packet.packetIdentifier)
            #expect(Array(bytes[found.topic]) == Array(packet.topic.utf8))
            #expect(Array(bytes[found.payload]) == packet.payload)
            #expect(found.hasProperties == !packet.properties.isEmpty)
            #expect(found.isText == (packet.properties.payloadFormatIndicator ?? false))
            let properties = try publishProperties(bytes, found.properties, from: sender)
            #expect(properties == packet.properties)

            // The alias can be cut out.
            #expect(found.topicAlias == packet.properties.topicAlias ?? 0)
            var cut = bytes
            cut.removeSubrange(found.topicAliasProperty)
            let rest = found.properties.lowerBound..<(found.properties.upperBound - found.topicAliasProperty.count)
            var expected = packet.properties
            expected.topicAlias = nil
            let remaining = try publishProperties(cut, rest, from: sender)
            #expect(remaining == expected)
        }
    }

    @Test func ackHeaderSaysTheSame() throws {
        try RandomTests.forEachKind(50) { random, type, version, sender in
            guard case .acknowledgement(let packet) = random.packet(type, version, from: sender) else { return }
            let bytes = Packet.acknowledgement(packet).encoded(version)
            let header = try #require(try MQTTTests.header(bytes, version))
            let found = try AckHeader(bytes.span, at: 0, header: header, version: version, from: sender)
            #expect(found.packetIdentifier == packet.packetIdentifier)
            #expect(found.reason == packet.reason)
        }
    }

    /// The two decoders of acknowledgements refuse the same, for the same reason.
    @Test(arguments: Malformed.acknowledgements) func ackHeaderRefusesTheSame(_ malformed: Malformed) throws {
        let bytes = malformed.bytes
        let header = try #require(try MQTTTests.header(bytes, malformed.version))
        let error = #expect(throws: ProtocolError.self) {
            _ = try AckHeader(bytes.span, at: 0, header: header, version: malformed.version)
        }
        #expect(error?.reason == malformed.reason)
        #expect(error.map { "\($0.clause)" } == malformed.clause)
    }

    @Test(arguments: [
        (0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (2_097_151, 3), (2_097_152, 4), (268_435_455, 4),
    ])
    func variableByteIntegers(_ value: Int, _ length: Int) throws {
        #expect(VariableByteInteger.encodedLength(value) == length)
        var appended: [UInt8] = [0xAA]
        VariableByteInteger.append(value, to: &appended)
        #expect(appended.count == 1 + length)

        var written: [UInt8] = [0xAA, 0, 0, 0, 0]
        var span = written.mutableSpan
        // Any bytes are valid bytes.
        var raw = unsafe span.mutableBytes
        let end = VariableByteInteger.write(value, to: &raw, at: 1)
        #expect(end == 1 + length)
        #expect(Array(written[...length]) == appended)

        let read = try VariableByteInteger.read(appended.span, at: 1, end: appended.count)
        #expect(read?.value == value)
        #expect(read?.length == length)
        let cut = try VariableByteInteger.read(appended.span, at: 1, end: length)
        #expect(cut == nil)
    }
}
