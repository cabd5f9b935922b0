import Testing

@testable import WebSocket

@Suite("Messages")
struct MessageMachineTests {
    /// What becomes of a client's frames, one line each, up to the first error: what the listener would do.
    static func play(_ frames: [[UInt8]], limit: Int = 100, machine: MessageMachine = MessageMachine()) -> [String] {
        var machine = machine
        var events: [String] = []
        for var frame in frames {
            do throws(WebSocketError) {
                let header = try withBytes(frame) { bytes throws(WebSocketError) in
                    try FrameHeader.read(bytes, at: 0, limit: limit)
                }
                guard let header else { return events + ["incomplete"] }
                // The state goes through its stored form at every step, as it does in the arena.
                machine = MessageMachine(bits: machine.bits)
                let action = try machine.received(header, limit: limit)
                withMutableBytes(&frame) {
                    Masking.apply(&$0, header.headerLength..<$0.byteCount, key: header.mask)
                }
                let payload = Array(frame[header.headerLength...])
                switch action {
                case .data(let text, let final):
                    if text {
                        try withBytes(payload) { bytes throws(WebSocketError) in
                            try machine.text(bytes, ends: final)
                        }
                    }
                    events.append("\(text ? "text" : "binary") \(payload.count)\(final ? " final" : "")")
                case .close:
                    let code = try withBytes(payload) { bytes throws(WebSocketError) in try CloseFrame.read(bytes) }
                    events.append("close \(code.map(String.init) ?? "-")")
                case .ping: events.append("ping \(payload.count)")
                case .pong: events.append("pong \(payload.count)")
                case .discard: events.append("discard")
                }
            } catch {
                return events + ["\(error.closeCode.rawValue) \(error.clause)"]
            }
        }
        return events
    }

    static func closing(_ code: UInt16, _ reason: [UInt8] = []) -> [UInt8] {
        clientFrame(8, [UInt8(code >> 8), UInt8(code & 0xFF)] + reason)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let frames: [[UInt8]]
        let events: [String]

        init(_ name: String, _ frames: [[UInt8]], _ events: [String]) {
            testDescription = name
            self.frames = frames
            self.events = events
        }
    }

    static let hel = Array("Hel".utf8)
    static let lo = Array("lo".utf8)
    /// "κόσμε", whose characters take two and three bytes.
    static let greek: [UInt8] = [0xCE, 0xBA, 0xE1, 0xBD, 0xB9, 0xCF, 0x83, 0xCE, 0xBC, 0xCE, 0xB5]

    static let cases = [
        Case("a text message", [clientFrame(1, hel + lo)], ["text 5 final"]),
        Case("a binary message", [clientFrame(2, [0xFF])], ["binary 1 final"]),
        Case("empty messages", [clientFrame(1, []), clientFrame(2, [])], ["text 0 final", "binary 0 final"]),
        Case(
            "two fragments", [clientFrame(1, hel, final: false), clientFrame(0, lo)], ["text 3", "text 2 final"]),
        Case(
            "empty fragments",
            [clientFrame(2, [], final: false), clientFrame(0, [], final: false), clientFrame(0, [])],
            ["binary 0", "binary 0", "binary 0 final"]),
        Case(
            "control frames between fragments",
            [
                clientFrame(1, hel, final: false), clientFrame(9, [1, 2]), clientFrame(10, []), clientFrame(0, lo),
                clientFrame(2, [0xFF]),
            ],
            ["text 3", "ping 2", "pong 0", "text 2 final", "binary 1 final"]),
        Case(
            "close between fragments", [clientFrame(1, hel, final: false), closing(1000), clientFrame(0, lo)],
            ["text 3", "close 1000", "discard"]),
        Case("a continuation of nothing", [clientFrame(0, hel)], ["1002 §5.4"]),
        Case("an open continuation of nothing", [clientFrame(0, hel, final: false)], ["1002 §5.4"]),
        Case(
            "a continuation after the end",
            [clientFrame(1, hel, final: false), clientFrame(0, lo), clientFrame(0, lo)],
            ["text 3", "text 2 final", "1002 §5.4"]),
        Case(
            "a message within a message", [clientFrame(1, hel, final: false), clientFrame(1, lo)],
            ["text 3", "1002 §5.4"]),
        Case(
            "a binary message within a text message", [clientFrame(1, hel, final: false), clientFrame(2, lo)],
            ["text 3", "1002 §5.4"]),
        Case(
            "the longest message in pieces",
            [
                clientFrame(2, Array(repeating: 0, count: 60), final: false),
                clientFrame(0, Array(repeating: 0, count: 40)),
            ],
            ["binary 60", "binary 40 final"]),
        Case(
            "one byte above the limit",
            [
                clientFrame(2, Array(repeating: 0, count: 60), final: false),
                clientFrame(0, Array(repeating: 0, count: 41)),
            ],
            ["binary 60", "1009 §10.4"]),
        Case(
            "the limit holds for each message by itself",
            Array(repeating: clientFrame(2, Array(repeating: 0, count: 60)), count: 3),
            Array(repeating: "binary 60 final", count: 3)),
        Case("text that is not UTF-8", [clientFrame(1, [0x48, 0xFF])], ["1007 §8.1"]),
        Case("text that ends within a character", [clientFrame(1, [0xCE])], ["1007 §8.1"]),
        Case(
            "a character over two frames with a ping between",
            [clientFrame(1, [0xCE], final: false), clientFrame(9, []), clientFrame(0, [0xBA])],
            ["text 1", "ping 0", "text 1 final"]),
        Case(
            "a surrogate over two frames is found in the second (Autobahn 6.4.4)",
            [clientFrame(1, greek + [0xED], final: false), clientFrame(0, [0xA0], final: false)],
            ["text 12", "1007 §8.1"]),
        Case(
            "the last fragment is empty and the character is not complete",
            [clientFrame(1, [0xE1, 0xBD], final: false), clientFrame(0, [])], ["text 2", "1007 §8.1"]),
        Case(
            "binary messages are not checked", [clientFrame(2, [0xED], final: false), clientFrame(0, [0xA0])],
            ["binary 1", "binary 1 final"]),
        Case(
            "text after binary begins afresh",
            [clientFrame(2, [0xED]), clientFrame(1, greek)], ["binary 1 final", "text 11 final"]),
        Case("close without a code", [clientFrame(8, [])], ["close -"]),
        Case("close with words", [closing(1001, Array("leaving".utf8))], ["close 1001"]),
        Case("close with half a code", [clientFrame(8, [3])], ["1002 §5.5.1"]),
        Case("close with words that are not UTF-8", [closing(1000, greek + [0xED, 0xA0])], ["1007 §5.5.1"]),
        Case("close with words cut within a character", [closing(1000, [0xCE])], ["1007 §5.5.1"]),
        Case(
            "nothing counts after close",
            [closing(1000), clientFrame(0, hel), clientFrame(9, []), closing(1000)],
            ["close 1000", "discard", "discard", "discard"]),
    ]

    @Test("frames and what becomes of them", arguments: cases)
    func plays(_ example: Case) {
        #expect(Self.play(example.frames) == example.events)
    }

    @Test("every character border: text over two frames, cut anywhere")
    func cuts() {
        for cut in 0...Self.greek.count {
            let frames = [
                clientFrame(1, Array(Self.greek[..<cut]), final: false), clientFrame(0, Array(Self.greek[cut...])),
            ]
            #expect(Self.play(frames) == ["text \(cut)", "text \(Self.greek.count - cut) final"])
        }
    }

    @Test(
        "codes that may be sent (RFC 6455 §7.4)",
        arguments: [
            1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
        ] as [UInt16])
    func goodCode(_ code: UInt16) {
        #expect(Self.play([Self.closing(code)]) == ["close \(code)"])
    }

    @Test(
        "codes that may not",
        arguments: [
            0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
        ] as [UInt16])
    func badCode(_ code: UInt16) {
        #expect(Self.play([Self.closing(code)]) == ["1002 §7.4"])
    }

    @Test("after the server's close only the client's own counts")
    func afterOwnClose() {
        var machine = MessageMachine()
        machine.sentClose()
        #expect(machine.hasSentClose && !machine.hasReceivedClose)
        let frames = [clientFrame(2, [1]), clientFrame(0, [1]), clientFrame(9, []), Self.closing(1000)]
        #expect(Self.play(frames, machine: machine) == ["discard", "discard", "discard", "close 1000"])
    }

    @Test("a stream of frames without a limit never overflows")
    func endless() throws {
        var machine = MessageMachine()
        func header(_ opcode: Opcode) -> FrameHeader {
            FrameHeader(isFinal: false, opcode: opcode, mask: 0, headerLength: 14, payloadLength: .max)
        }
        #expect(try machine.received(header(.binary), limit: .max) == .data(text: false, final: false))
        #expect(throws: WebSocketError.self) { try machine.received(header(.continuation), limit: .max) }
    }

    @Test("close frames of the server")
    func closeFrames() {
        #expect(CloseFrame.encoded(nil) == [0x88, 0])
        #expect(CloseFrame.encoded(1000) == [0x88, 2, 0x03, 0xE8])
        #expect(CloseFrame.encoded(1002, reason: "no") == [0x88, 4, 0x03, 0xEA, 0x6E, 0x6F])
        // Cut between characters, so that the words stay UTF-8 and the frame within 125 bytes.
        let long = CloseFrame.encoded(1002, reason: String(repeating: "日", count: 50))
        #expect(long.count == 2 + 2 + 123 && long[1] == 125)
        #expect(String(validating: long[4...], as: UTF8.self) == String(repeating: "日", count: 41))
    }

    @Test("random sequences of frames never trap, and data comes only within messages")
    func random() {
        let seed: UInt64 = 0x5EED_0004
        var random = SplitMix64(seed: seed)
        for _ in 0..<2_000 {
            var machine = MessageMachine()
            var open = false
            for _ in 0..<20 {
                let opcode = [Opcode.continuation, .text, .binary, .close, .ping, .pong].randomElement(using: &random)!
                let header = FrameHeader(
                    isFinal: opcode.isControl || Bool.random(using: &random), opcode: opcode, mask: 0, headerLength: 6,
                    payloadLength: Int.random(in: 0...30, using: &random))
                guard let action = try? machine.received(header, limit: 100) else { break }
                if case .data(_, let final) = action {
                    #expect(open == (opcode == .continuation), "seed \(seed)")
                    open = !final
                }
            }
        }
    }
}
