import Testing

@testable import WebSocket

@Suite("Frame headers")
struct FrameHeaderTests {
    struct Example: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: [UInt8]
        let header: FrameHeader

        init(
            _ name: String, _ bytes: [UInt8], _ opcode: Opcode, final: Bool = true, header: Int = 6, payload: Int,
            mask: UInt32 = 0x3D21_FA37
        ) {
            testDescription = name
            self.bytes = bytes
            self.header = FrameHeader(
                isFinal: final, opcode: opcode, mask: mask, headerLength: header, payloadLength: payload)
        }
    }

    static let hello: [UInt8] = [0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]
    static let key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]

    /// RFC 6455 §5.7; the examples that it gives as a server's are masked here.
    static let examples = [
        Example("a single-frame masked text message", [0x81, 0x85] + hello, .text, payload: 5),
        Example("the first fragment", [0x01, 0x83] + key + [0x7F, 0x9F, 0x4D], .text, final: false, payload: 3),
        Example("the last fragment", [0x80, 0x82] + key + [0x5B, 0x95], .continuation, payload: 2),
        Example("a ping", [0x89, 0x85] + hello, .ping, payload: 5),
        Example("a pong", [0x8A, 0x85] + hello, .pong, payload: 5),
        Example("256 bytes binary", [0x82, 0xFE, 0x01, 0x00] + key, .binary, header: 8, payload: 256),
        Example(
            "64 KiB binary", [0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0] + key, .binary, header: 14, payload: 65536),
        Example("an empty close", [0x88, 0x80, 0, 0, 0, 0], .close, payload: 0, mask: 0),
        Example("the longest control frame", [0x89, 0xFD] + key, .ping, payload: 125),
        Example("the longest short length", [0x82, 0xFD] + key, .binary, payload: 125),
        Example("the shortest 16-bit length", [0x82, 0xFE, 0, 126] + key, .binary, header: 8, payload: 126),
        Example("the longest 16-bit length", [0x82, 0xFE, 255, 255] + key, .binary, header: 8, payload: 65535),
    ]

    @Test("the examples of RFC 6455", arguments: examples)
    func reads(_ example: Example) throws {
        let header = try withBytes(example.bytes) { bytes throws(WebSocketError) in
            try FrameHeader.read(bytes, at: 0, limit: 1 << 20)
        }
        #expect(header == example.header)
        // The same behind other bytes.
        let later = try withBytes([1, 2, 3] + example.bytes) { bytes throws(WebSocketError) in
            try FrameHeader.read(bytes, at: 3, limit: 1 << 20)
        }
        #expect(later == example.header)
    }

    @Test("a header cut anywhere is incomplete", arguments: examples)
    func truncated(_ example: Example) throws {
        for count in 0..<example.header.headerLength {
            let header = try withBytes(Array(example.bytes.prefix(count))) { bytes throws(WebSocketError) in
                try FrameHeader.read(bytes, at: 0, limit: 1 << 20)
            }
            #expect(header == nil, "with \(count) bytes")
        }
    }

    struct Fault: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: [UInt8]
        let code: CloseCode
        let clause: String

        init(_ name: String, _ bytes: [UInt8], _ code: CloseCode = .protocolError, _ clause: String = "§5.2") {
            testDescription = name
            self.bytes = bytes
            self.code = code
            self.clause = clause
        }
    }

    static let faults =
        [
            Fault("unmasked", [0x81, 0x05] + Array("Hello".utf8), .protocolError, "§5.1"),
            Fault("RSV1", [0xC1, 0x85] + hello), Fault("RSV2", [0xA1, 0x85] + hello),
            Fault("RSV3", [0x91, 0x85] + hello),
            Fault("a fragmented ping", [0x09, 0x85] + hello, .protocolError, "§5.5"),
            Fault("a fragmented close", [0x08, 0x80] + key, .protocolError, "§5.5"),
            Fault("a ping of 126 bytes", [0x89, 0xFE, 0, 126] + key, .protocolError, "§5.5"),
            Fault("a close of 64 KiB", [0x88, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0] + key, .protocolError, "§5.5"),
            Fault("125 in 16 bits", [0x82, 0xFE, 0, 125] + key),
            Fault("65535 in 64 bits", [0x82, 0xFF, 0, 0, 0, 0, 0, 0, 255, 255] + key),
            Fault("a 64-bit length with its highest bit", [0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0] + key),
            Fault("one byte above the limit", [0x82, 0xFE, 0x04, 0x01] + key, .messageTooBig, "§10.4"),
            Fault(
                "the longest length", [0x82, 0xFF, 0x7F, 255, 255, 255, 255, 255, 255, 255] + key, .messageTooBig,
                "§10.4"),
        ] + [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map { Fault("opcode \($0)", [0x80 | $0, 0x85] + hello) }

    @Test("what is forbidden", arguments: faults)
    func refuses(_ fault: Fault) {
        let error = #expect(throws: WebSocketError.self) {
            _ = try withBytes(fault.bytes) { bytes throws(WebSocketError) in
                try FrameHeader.read(bytes, at: 0, limit: 1024)
            }
        }
        #expect(error?.closeCode == fault.code)
        #expect(error?.clause.description == fault.clause)
    }

    @Test("a payload of the limit's length passes, a control frame is not measured by it")
    func limit() throws {
        let frame = try withBytes([0x82, 0xFE, 0x04, 0x00] + Self.key) { bytes throws(WebSocketError) in
            try FrameHeader.read(bytes, at: 0, limit: 1024)
        }
        #expect(frame?.payloadLength == 1024)
        let ping = try withBytes([0x89, 0x85] + Self.hello) { bytes throws(WebSocketError) in
            try FrameHeader.read(bytes, at: 0, limit: 4)
        }
        #expect(ping?.payloadLength == 5)
    }

    @Test(
        "a server's header",
        arguments: [
            (0, [0x82, 0]), (5, [0x82, 5]), (125, [0x82, 125]), (126, [0x82, 126, 0, 126]),
            (65535, [0x82, 126, 255, 255]), (65536, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (0x0102_0304_0506, [0x82, 127, 0, 0, 1, 2, 3, 4, 5, 6]),
        ] as [(Int, [UInt8])])
    func writes(_ length: Int, _ expected: [UInt8]) {
        var bytes = [UInt8](repeating: 0xAA, count: 1 + FrameHeader.longest + 1)
        let written = withMutableBytes(&bytes) { bytes in
            FrameHeader.write(opcode: .binary, length: length, to: &bytes, at: 1)
        }
        #expect(written == expected.count)
        #expect(FrameHeader.encodedLength(payload: length) == expected.count)
        #expect(bytes[0] == 0xAA && Array(bytes[1...written]) == expected && bytes[written + 1] == 0xAA)
    }

    @Test("random bytes are read or refused, never fatal")
    func random() {
        let seed: UInt64 = 0x5EED_0001
        var random = SplitMix64(seed: seed)
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...16, using: &random)
            var bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            if bytes.count > 1, Bool.random(using: &random) {
                bytes[0] &= 0x8F
                bytes[1] |= 0x80
            }
            let header = try? withBytes(bytes) { bytes throws(WebSocketError) in
                try FrameHeader.read(bytes, at: 0, limit: .max)
            }
            if let header {
                #expect(header.headerLength <= bytes.count && header.payloadLength >= 0, "seed \(seed): \(bytes)")
            }
        }
    }
}
