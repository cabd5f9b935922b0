import Testing

@testable import WebSocket

@Suite("JSON deliveries and replies")
struct JSONDeliveryTests {
    static func write(_ topic: String, _ payload: [UInt8], retain: Bool = false) -> String {
        withBytes(Array(topic.utf8)) { topic in
            withBytes(payload) { payload in
                let delivery = JSONDelivery.measure(topic: topic, payload: payload, retain: retain)
                // A byte before and one behind, which must stay.
                var bytes = [UInt8](repeating: 0xAA, count: delivery.length + 2)
                withMutableBytes(&bytes) { delivery.write(topic: topic, payload: payload, to: &$0, at: 1) }
                #expect(bytes.first == 0xAA && bytes.last == 0xAA)
                return String(decoding: bytes.dropFirst().dropLast(), as: UTF8.self)
            }
        }
    }

    static let examples: [(String, [UInt8], Bool, String)] = [
        ("a/b", Array("text".utf8), false, #"{"Topic":"a/b","Payload":"text"}"#),
        ("a/b", [], false, #"{"Topic":"a/b","Payload":""}"#),
        ("a/b", Array("text".utf8), true, #"{"Topic":"a/b","Payload":"text","Retain":true}"#),
        ("a/b", [0xFF], false, #"{"Topic":"a/b","Payload":"/w==","Encoding":"base64"}"#),
        ("a/b", [0xFF, 0x00], true, #"{"Topic":"a/b","Payload":"/wA=","Encoding":"base64","Retain":true}"#),
        ("a/b", [0x61, 0xCE], false, #"{"Topic":"a/b","Payload":"Yc4=","Encoding":"base64"}"#),
        ("a/b", [0xED, 0xA0, 0x80], false, #"{"Topic":"a/b","Payload":"7aCA","Encoding":"base64"}"#),
        (
            #"a"\b"#, Array("\u{0}\u{1}\u{8}\t\n\u{B}\u{C}\r\u{1F} \u{7F}\"/\\".utf8), false,
            #"{"Topic":"a\"\\b","Payload":"\u0000\u0001\b\t\n\u000b\f\r\u001f "#
                + "\u{7F}" + #"\"/\\"}"#
        ),
        ("é/日", Array("🐦\u{2028}\u{2029}".utf8), false, "{\"Topic\":\"é/日\",\"Payload\":\"🐦\u{2028}\u{2029}\"}"),
        (
            "a", Array(#"{"temperature":21.5}"#.utf8), false,
            #"{"Topic":"a","Payload":"{\"temperature\":21.5}"}"#
        ),
    ]

    @Test("messages as JSON", arguments: examples.indices)
    func writes(_ index: Int) {
        let (topic, payload, retain, expected) = Self.examples[index]
        #expect(Self.write(topic, payload, retain: retain) == expected)
    }

    @Test("a byte that must be escaped, at every place among others")
    func everyPlace() {
        for count in 1...24 {
            for place in 0..<count {
                for byte in 0...0x7F as ClosedRange<UInt8> {
                    var payload = [UInt8](repeating: UInt8(ascii: "x"), count: count)
                    payload[place] = byte
                    let escaped = JSONText.escape(byte) != nil
                    let expected = byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
                    let length = withBytes(payload) { JSONText.escapedLength($0) }
                    #expect(escaped == expected && (length > count) == expected, "\(byte) at \(place) of \(count)")
                }
            }
        }
    }

    @Test("what is delivered can be published again: random payloads through both")
    func roundTrip() throws {
        let seed: UInt64 = 0x5EED_0007
        var random = SplitMix64(seed: seed)
        var parser = JSONParser()
        let characters = Array("ab\"\\/\u{0}\u{1F}\n\u{7F}é日🐦\u{2028}".unicodeScalars)
        for turn in 0..<3_000 {
            let count = Int.random(in: 0...40, using: &random)
            var payload: [UInt8] = []
            for _ in 0..<count {
                if turn % 2 == 0 {
                    payload += Array(String(characters.randomElement(using: &random)!).utf8)
                } else {
                    payload.append(UInt8(truncatingIfNeeded: random.next()))
                }
            }
            let topic = String(String.UnicodeScalarView((0..<5).map { _ in characters.randomElement(using: &random)! }))
            let delivered = Self.write(topic, payload, retain: Bool.random(using: &random))
            #expect(delivered.contains(#","Encoding":"base64""#) == (String(validating: payload, as: UTF8.self) == nil))
            let request = #"{"Action":"publish","# + delivered.dropFirst()
            let parsed = JSONRequestTests.parse(Array(request.utf8), with: &parser)
            #expect(parsed.payload == payload && parsed.topic == topic, "seed \(seed): \(payload)")
        }
    }

    @Test(
        "base64 as in RFC 4648 §10",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ])
    func base64(_ text: String, _ encoded: String) {
        let plain = Array(text.utf8)
        let result = Base64.encoded(plain.span)
        #expect(result == Array(encoded.utf8))
        var bytes = Array("x\(encoded)".utf8)
        let range = Base64.decode(&bytes, 1..<bytes.count)
        #expect(range.map { Array(bytes[$0]) } == plain)
    }

    @Test("every character of base64")
    func alphabet() {
        let characters = (0..<64 as Range<UInt32>).map { UInt8(truncatingIfNeeded: Base64.character($0)) }
        #expect(
            String(decoding: characters, as: UTF8.self)
                == "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        #expect(characters.map(Base64.digit) == (0..<64).map { UInt32($0) })
    }

    @Test("acks and errors")
    func replies() {
        let id = Array(#""a\"b""#.utf8)
        func error(_ code: JSONErrorCode, _ reason: String, _ id: [UInt8]) -> String {
            String(decoding: JSONReply.error(code, reason: reason, id: id.span), as: UTF8.self)
        }
        func ack(_ id: [UInt8]) -> String { String(decoding: JSONReply.ack(id: id.span), as: UTF8.self) }
        #expect(ack([0x37]) == #"{"Action":"ack","Id":7}"#)
        #expect(ack(id) == #"{"Action":"ack","Id":"a\"b"}"#)
        #expect(
            error(.invalid, "QoS must be 0, 1 or 2.", [])
                == #"{"Action":"error","Code":422,"Reason":"QoS must be 0, 1 or 2."}"#)
        #expect(
            error(.forbidden, "no \"x\"\n\u{1}\u{1F}é", id)
                == #"{"Action":"error","Code":403,"Reason":"no \"x\"\n\u0001\u001fé","Id":"a\"b"}"#)
    }
}
