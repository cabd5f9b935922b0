// The layouts of the frames on the path of a message, byte by byte, and what their readers refuse.

import Testing

@testable import Messages

@Suite struct HotFrameTests {
    @Test func aPublishLiesAsDocumented() throws {
        var bytes = [UInt8](repeating: 0, count: PublishFrame.headByteCount) + Array("a/bxyzPP".utf8)
        write(&bytes) {
            PublishFrame.writeHead(
                to: &$0, slot: 0x0102_0304, generation: 0x1112_1314, packetIdentifier: 0x2122, flags: 0b1011,
                topicLength: 3, payloadLength: 3, propertiesLength: 2)
        }
        #expect(
            bytes == [
                32, 0, 0, 0, 0x22, 0b1011, 4, 0,  // length, type, flags, layout
                4, 3, 2, 1, 0x22, 0x21, 3, 0,  // slot, packet identifier, topic length
                2, 0, 0, 0, 0x14, 0x13, 0x12, 0x11,  // properties' length, generation
            ] + Array("a/bxyzPP".utf8))
        let frame = try publish(bytes)
        #expect(frame.slot == 0x0102_0304)
        #expect(frame.generation == 0x1112_1314)
        #expect(frame.packetIdentifier == 0x2122)
        #expect(frame.qos == 1)
        #expect(frame.retain)
        #expect(!frame.isPayloadInvalid)
        bytes[5] |= PublishFrame.payloadInvalid
        let marked = try publish(bytes)
        #expect(marked.isPayloadInvalid)
        #expect(marked.qos == 1 && marked.retain)
        #expect([frame.topicLength, frame.payloadLength, frame.propertiesLength, frame.messageLength] == [3, 3, 2, 8])
    }

    @Test func aPublishWhosePartsExceedItIsRefused() throws {
        func frame(topic: UInt16, properties: UInt32, message: Int) throws -> PublishFrame {
            var bytes = [UInt8](repeating: 0, count: PublishFrame.headByteCount + message)
            write(&bytes) {
                PublishFrame.writeHead(
                    to: &$0, slot: 0, generation: 0, packetIdentifier: 0, flags: 0, topicLength: Int(topic),
                    payloadLength: message - Int(topic) - Int(properties), propertiesLength: Int(properties))
            }
            return try publish(bytes)
        }
        #expect(try frame(topic: 4, properties: 6, message: 10).payloadLength == 0)
        let error = FrameError("PUBLISH frame whose topic and properties exceed it")
        #expect(throws: error) { try frame(topic: 4, properties: 7, message: 10) }
        #expect(throws: error) { try frame(topic: .max, properties: 0, message: 10) }
        #expect(throws: error) { try frame(topic: 1, properties: .max, message: 10) }
        #expect(throws: FrameError("PUBLISH frame shorter than its head")) {
            try publish([8, 0, 0, 0, 0x22, 0, 4, 0])
        }
    }

    @Test func aDeliveryLiesAsDocumented() throws {
        let length = DeliverFrame.byteCount(messageLength: 8 + 3, recipientCount: 2)
        #expect(length == 24 + 16 + 16)
        var bytes = [UInt8](repeating: 0, count: length)
        let recipients = [
            SlotEntry(
                recipient: 0x0A0B_0C0D, generation: 0xFFFF_0102, packetIdentifier: 0x0304, qos: 2, retain: true,
                duplicate: false),
            SlotEntry(recipient: 1, generation: 2, packetIdentifier: 3, qos: 1, retain: false, duplicate: true),
        ]
        write(&bytes) {
            DeliverFrame.writeHead(to: &$0, topicLength: 3, payloadLength: 6, propertiesLength: 2, recipientCount: 2)
            $0.copy(Array("a/bpayldPR".utf8).span.raw, at: 24)
            $0.store(recipients[0].word, at: 40)
            $0.store(recipients[1].word, at: 48)
        }
        #expect(
            bytes == [
                56, 0, 0, 0, 0x33, 0, 4, 0,  // length, type, flags, layout
                2, 0, 0, 0, 3, 0, 0, 0,  // recipients, topic length
                2, 0, 0, 0, 6, 0, 0, 0,  // properties' length, payload length
            ] + Array("a/bpayldPR".utf8) + [0, 0, 0, 0, 0, 0] + [
                0x0D, 0x0C, 0x0B, 0x6A, 0x02, 0x01, 0x04, 0x03,  // slot with QoS 2 and retain, generation, identifier
                1, 0, 0, 0x90, 2, 0, 3, 0,
            ])
        let frame = try deliver(bytes)
        #expect(frame.recipientsOffset == 40)
        #expect(
            [frame.recipientCount, frame.topicLength, frame.payloadLength, frame.propertiesLength] == [2, 3, 6, 2])
    }

    @Test func aDeliveryIsReadOnlyWhereItsPartsMakeUpItsLength() throws {
        for payload in 0..<20 {
            for recipients in 0..<3 {
                let message = 5 + payload
                let length = DeliverFrame.byteCount(messageLength: message, recipientCount: recipients)
                #expect(length % 8 == 0)
                var bytes = [UInt8](repeating: 0, count: length)
                write(&bytes) {
                    DeliverFrame.writeHead(
                        to: &$0, topicLength: 3, payloadLength: payload, propertiesLength: 2,
                        recipientCount: recipients)
                }
                let frame = try deliver(bytes)
                #expect(frame.messageLength == message)
                #expect(frame.recipientCount == recipients)
                // One recipient more or less, or a message so much longer that its padding changes.
                for (place, change) in [(8, 1), (8, 255), (20, 8)] {
                    var other = bytes
                    other[place] &+= UInt8(change)
                    #expect(throws: FrameError("Deliver frame whose parts do not make up its length")) {
                        try deliver(other)
                    }
                }
            }
        }
        #expect(throws: FrameError("Deliver frame shorter than its head")) { try deliver([8, 0, 0, 0, 0x33, 0, 4, 0]) }
    }

    @Test func anAcknowledgementLiesAsDocumented() {
        let entry = SlotEntry(
            acknowledgement: 5 | 8, slot: 0x0765_4321, generation: 0xFFFF_0203, packetIdentifier: 0xABCD)
        #expect(entry.word == 0xABCD_0203_D765_4321)
        #expect(entry.slot == 0x0765_4321)
        #expect(entry.generation == 0x0203)
        #expect(entry.packetIdentifier == 0xABCD)
        #expect(entry.kind == 13)
        #expect(FrameHead.word(length: 16, type: .acknowledge) == 0x0004_0042_0000_0010)
    }

    @Test func entriesKeepTheirFields() {
        var random = SplitMix64(seed: 7)
        for _ in 0..<1000 {
            let slot = UInt32.random(in: 0..<SlotEntry.slotLimit, using: &random)
            let generation: UInt32 = random.integer()
            let identifier: UInt16 = random.integer()
            let (qos, retain, duplicate) = (UInt8(random.below(3)), random.bool(), random.bool())
            let entry = SlotEntry(
                recipient: slot, generation: generation, packetIdentifier: identifier, qos: qos, retain: retain,
                duplicate: duplicate)
            #expect(entry.slot == slot)
            #expect(entry.generation == UInt16(truncatingIfNeeded: generation))
            #expect(entry.packetIdentifier == identifier)
            #expect(entry.qos == qos && entry.retain == retain && entry.duplicate == duplicate)
        }
    }

    @Test func aBatchLiesAsDocumented() throws {
        var bytes = [UInt8](repeating: 0xEE, count: BatchFrame.byteCount)
        write(&bytes) {
            BatchFrame.write(
                to: &$0, length: 0x010203, answers: 0x0807_0605_0403_0201, released: 0x1817_1615_1413_1211)
        }
        #expect(
            bytes == [
                32, 0, 0, 0, 0x31, 0, 4, 0,
                3, 2, 1, 0, 0, 0, 0, 0,
                1, 2, 3, 4, 5, 6, 7, 8,
                0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
            ])
        let whole = try batch(bytes)
        #expect(whole?.length == 0x010203)
        #expect(whole?.answers == 0x0807_0605_0403_0201)
        #expect(BatchFrame.released(bytes.span.raw, at: 0) == 0x1817_1615_1413_1211)
        for length in 0..<bytes.count {
            let none = try batch(Array(bytes[..<length]))
            #expect(none == nil)
        }
        bytes[15] = 1
        #expect(throws: FrameError("batch length out of range")) { try batch(bytes) }
        #expect(throws: FrameError("a frame outside of a batch")) { try batch(Ping(sequence: 1).encoded()) }
    }

    @Test func anyBytesAreRefusedOrReadWithinTheirFrame() throws {
        let seed: UInt64 = 99
        var random = SplitMix64(seed: seed)
        for _ in 0..<5000 {
            var bytes = (0..<(24 + random.below(60))).map { _ in UInt8(random.below(8) == 0 ? 255 : random.below(30)) }
            for i in 0..<4 { bytes[i] = UInt8(truncatingIfNeeded: bytes.count >> (8 * i)) }
            (bytes[6], bytes[7]) = (2, 0)
            bytes[4] = FrameType.publish.rawValue
            if let frame = try? publish(bytes) {
                #expect(frame.payloadLength >= 0, "seed \(seed)")
                #expect(PublishFrame.headByteCount + frame.messageLength == bytes.count, "seed \(seed)")
            }
            bytes[4] = FrameType.deliver.rawValue
            if let frame = try? deliver(bytes) {
                #expect(frame.recipientsOffset + 8 * frame.recipientCount == bytes.count, "seed \(seed)")
                #expect(DeliverFrame.headByteCount + frame.messageLength <= frame.recipientsOffset, "seed \(seed)")
            }
        }
    }

    private func write(_ bytes: inout [UInt8], _ body: (inout MutableRawSpan) -> Void) {
        var elements = bytes.mutableSpan
        // Any bits make a byte.
        var raw = unsafe elements.mutableBytes
        body(&raw)
    }

    private func publish(_ bytes: [UInt8]) throws -> PublishFrame {
        let span = bytes.span.raw
        return try PublishFrame(span, at: 0, try #require(try FrameHead.read(span, at: 0)))
    }

    private func deliver(_ bytes: [UInt8]) throws -> DeliverFrame {
        let span = bytes.span.raw
        return try DeliverFrame(span, at: 0, try #require(try FrameHead.read(span, at: 0)))
    }

    private func batch(_ bytes: [UInt8]) throws -> (length: Int, answers: UInt64)? {
        try BatchFrame.read(bytes.span.raw, at: 0)
    }
}
