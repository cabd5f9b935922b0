// The packets that the hot path writes, against the encoder of the codec.

import MQTT
import Messages
import Testing

@testable import Listener

@Suite struct PublishShapeTests {
    /// Payloads around the steps of the remaining length: one, two, three and four bytes.
    static let payloads = [
        0, 1, 100, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 200, 16_370, 16_380, 16_385, 2_097_150,
    ]

    @Test func everyFormIsWhatTheCodecWrites() throws {
        for version in [ProtocolVersion.v3_1, .v3_1_1, .v5] {
            for qos in [QoS.atMostOnce, .atLeastOnce, .exactlyOnce] {
                for length in Self.payloads {
                    for hasProperties in version == .v5 ? [false, true] : [false] {
                        try check(version, qos, length, hasProperties)
                        guard version == .v5 else { continue }
                        try check(version, qos, length, hasProperties, alias: 1)
                        try check(version, qos, length, hasProperties, alias: 0x0102, omitsTopic: true)
                    }
                }
            }
        }
    }

    private func check(
        _ version: ProtocolVersion, _ qos: QoS, _ length: Int, _ hasProperties: Bool, alias: UInt16 = 0,
        omitsTopic: Bool = false
    ) throws {
        var properties = Properties()
        if hasProperties {
            properties.contentType = String(repeating: "t", count: 130)
            properties.messageExpiryInterval = 77
        }
        var publish = Publish(
            topic: "a/bc", payload: [UInt8](repeating: 0x2A, count: length), qos: qos, retain: length % 2 == 0,
            duplicate: qos != .atMostOnce && length % 3 == 0, packetIdentifier: qos == .atMostOnce ? 0 : 0x1234,
            properties: properties)
        var expected: [UInt8] = []
        publish.encode(into: &expected, version: version)

        let header = try #require(try FixedHeader.read(expected.span, at: 0, version: version))
        let parts = try PublishHeader(expected.span, at: 0, header: header, version: version, from: .server)
        let message = Array(expected[parts.topic]) + publish.payload + expected[parts.properties]
        if alias != 0 {
            // In front, where the codec writes it behind the others.
            publish.topic = omitsTopic ? "" : publish.topic
            publish.properties.topicAlias = alias
            expected = []
            publish.encode(into: &expected, version: version)
            expected = try withAliasInFront(expected)
        }
        var bytes = [UInt8](repeating: 0, count: DeliverFrame.headByteCount) + message
        while bytes.count % 8 != 0 { bytes.append(0) }
        writeHead(&bytes, parts)
        let frame = try DeliverFrame(bytes.span.raw, at: 0, try #require(try FrameHead.read(bytes.span.raw, at: 0)))
        let recipient = SlotEntry(
            recipient: 1, generation: 1, packetIdentifier: publish.packetIdentifier, qos: qos.rawValue,
            retain: publish.retain, duplicate: publish.duplicate)
        let shape = PublishShape(
            frame, qos: qos.rawValue, version: version.rawValue, alias: alias, omitsTopic: omitsTopic)
        #expect(shape.packetLength == expected.count)
        var written = [UInt8](repeating: 0xEE, count: 3 + shape.packetLength + 2)
        write(shape, &written, bytes, frame, recipient)
        if written != [0xEE, 0xEE, 0xEE] + expected + [0xEE, 0xEE] {
            Issue.record("version \(version), QoS \(qos), \(length) bytes, properties \(hasProperties)")
        }
        let fits = [0, shape.packetLength - 1, shape.packetLength, shape.packetLength + 1].map {
            shape.fits(UInt32($0))
        }
        #expect(fits == [true, false, true, true])
    }

    private func withAliasInFront(_ packet: [UInt8]) throws -> [UInt8] {
        let header = try #require(try FixedHeader.read(packet.span, at: 0, version: .v5))
        let parts = try PublishHeader(packet.span, at: 0, header: header, version: .v5, from: .server)
        let alias = parts.topicAliasProperty
        let others = parts.properties.lowerBound..<alias.lowerBound
        var result = Array(packet[..<others.lowerBound])
        result += packet[alias]
        result += packet[others]
        result += packet[alias.upperBound...]
        return result
    }

    private func writeHead(_ bytes: inout [UInt8], _ parts: PublishHeader) {
        var elements = bytes.mutableSpan
        // Any bits make a byte.
        var span = unsafe elements.mutableBytes
        DeliverFrame.writeHead(
            to: &span, topicLength: parts.topic.count, payloadLength: parts.payload.count,
            propertiesLength: parts.properties.count, recipientCount: 0)
    }

    private func write(
        _ shape: PublishShape, _ output: inout [UInt8], _ bytes: [UInt8], _ frame: DeliverFrame, _ recipient: SlotEntry
    ) {
        var elements = output.mutableSpan
        // As above.
        var span = unsafe elements.mutableBytes
        shape.write(to: &span, at: 3, bytes.span.raw, DeliverFrame.headByteCount, frame, recipient)
    }
}
