import Testing

@testable import WebSocket

@Suite("JSON requests")
struct JSONRequestTests {
    /// A request or a refusal, with the strings themselves.
    struct Parsed: Equatable, Sendable {
        var action = ""
        var topic = ""
        var payload: [UInt8] = []
        var qos: UInt8 = 0
        var retain = false
        var id: String?
        var clientId: String?
        var username: String?
        var password: String?
        var token: String?
        var code: JSONErrorCode?
        var reason = ""
    }

    static func parse(_ text: [UInt8], with parser: inout JSONParser) -> Parsed {
        var scratch: [UInt8] = [1, 2, 3]
        do throws(JSONError) {
            let request = try withBytes(text) { bytes throws(JSONError) in
                try JSONRequest.parse(bytes, with: &parser, into: &scratch)
            }
            let text = { (range: Range<Int>) in String(decoding: scratch[range], as: UTF8.self) }
            return Parsed(
                action: request.action.rawValue, topic: text(request.topic), payload: Array(scratch[request.payload]),
                qos: request.qos, retain: request.retain, id: request.id.map(text),
                clientId: request.clientId.map(text), username: request.username.map(text),
                password: request.password.map(text), token: request.token.map(text))
        } catch {
            return Parsed(
                id: error.id.map { String(decoding: scratch[$0], as: UTF8.self) }, code: error.code,
                reason: error.reason)
        }
    }

    static func parse(_ text: String) -> Parsed {
        var parser = JSONParser()
        return parse(Array(text.utf8), with: &parser)
    }

    static func publish(_ payload: String) -> Parsed {
        Parsed(action: "publish", topic: "a/b", payload: Array(payload.utf8))
    }

    static let valid: [(String, Parsed)] = [
        // The design's own examples.
        (#"{"Action":"subscribe","Topic":"a/+","Payload":""}"#, Parsed(action: "subscribe", topic: "a/+")),
        (#"{"Action":"unsubscribe","Topic":"a/+"}"#, Parsed(action: "unsubscribe", topic: "a/+")),
        (#"{"Action":"publish","Topic":"a/b","Payload":"text"}"#, publish("text")),
        (#"{"Action":"ping"}"#, Parsed(action: "ping")),
        (
            #"{"Action":"connect","ClientId":"c","Username":"u","Password":"p"}"#,
            Parsed(action: "connect", clientId: "c", username: "u", password: "p")
        ),
        (#"{"Action":"connect","Token":"t"}"#, Parsed(action: "connect", token: "t")),
        (#"{"Action":"connect"}"#, Parsed(action: "connect")),

        // QoS, Retain.
        (
            #"{"Action":"publish","Topic":"a/b","Payload":"","QoS":2,"Retain":true}"#,
            Parsed(action: "publish", topic: "a/b", qos: 2, retain: true)
        ),
        (#"{"Action":"subscribe","Topic":"t","QoS":1}"#, Parsed(action: "subscribe", topic: "t", qos: 1)),
        (
            #"{"Action":"subscribe","Topic":"t","QoS":0,"Retain":false}"#, Parsed(action: "subscribe", topic: "t")
        ),

        // Keys whatever their case, in any order, with white space, unknown ones whatever is in them.
        (
            " \t\r\n{ \"PAYLOAD\" : \"x\" , \"topic\" :\t\"a/b\",\n\"aCTION\":\"publish\" }\r\n ",
            publish("x")
        ),
        (
            #"{"x":{"Action":"y","a":[1,-2.5e+3,true,false,null,[],{}]},"Action":"ping","y":"é\u00e9"}"#,
            Parsed(action: "ping")
        ),
        (#"{"Action":"ping","action\u0000":1,"id\u0000":{},"actions":2,"Actio":3}"#, Parsed(action: "ping")),
        (#"{"":1,"A\u0063tion":"p\u0069ng"}"#, Parsed(action: "ping")),

        // Escapes.
        (
            #"{"Action":"publish","Topic":"a\/b","Payload":"\"\\\/\b\f\n\r\t\u0000\u00e9\uD83D\uDC26"}"#,
            publish("\"\\/\u{8}\u{C}\n\r\t\u{0}é🐦")
        ),
        (#"{"Action":"publish","Topic":"a/b","Payload":"é日🐦"}"#, publish("é日🐦")),

        // Base64.
        (#"{"Action":"publish","Topic":"a/b","Payload":"","Encoding":"base64"}"#, publish("")),
        (#"{"Action":"publish","Encoding":"base64","Topic":"a/b","Payload":"Zg=="}"#, publish("f")),
        (#"{"Action":"publish","Topic":"a/b","Payload":"Zm8=","Encoding":"base64"}"#, publish("fo")),
        (#"{"Action":"publish","Topic":"a/b","Payload":"Zm9v","Encoding":"base64"}"#, publish("foo")),
        (#"{"Action":"publish","Topic":"a/b","Payload":"Zm9vYmFy","Encoding":"base64"}"#, publish("foobar")),
        (
            #"{"Action":"publish","Topic":"t","Payload":"AP\/+gA==","Encoding":"base64"}"#,
            Parsed(action: "publish", topic: "t", payload: [0x00, 0xFF, 0xFE, 0x80])
        ),

        // Ids as they were written.
        (#"{"Action":"ping","Id":7}"#, Parsed(action: "ping", id: "7")),
        (#"{"Action":"ping","Id":-0.10E+2 }"#, Parsed(action: "ping", id: "-0.10E+2")),
        (
            #"{"Action":"ping","Id":123456789012345678901234567890}"#,
            Parsed(action: "ping", id: "123456789012345678901234567890")
        ),
        (#"{"Action":"ping","iD":"" , "x":1}"#, Parsed(action: "ping", id: #""""#)),
        (#"{"Action":"ping","Id":"a\u0041 \"b\" "}"#, Parsed(action: "ping", id: #""a\u0041 \"b\" ""#)),
        (
            "{\"Action\":\"ping\",\"Id\":\"\(String(repeating: "x", count: 62))\"}",
            Parsed(action: "ping", id: "\"\(String(repeating: "x", count: 62))\"")
        ),
    ]

    @Test("valid requests", arguments: valid)
    func accepts(_ text: String, _ expected: Parsed) {
        #expect(Self.parse(text) == expected)
    }

    @Test("no request is whole before its last byte, whatever the parser had before", arguments: valid.map(\.0))
    func truncated(_ text: String) throws {
        var parser = JSONParser()
        let bytes = Array(text.utf8)
        let end = try #require(bytes.lastIndex(of: UInt8(ascii: "}")))
        for count in 0...end {
            let parsed = Self.parse(Array(bytes[..<count]), with: &parser)
            #expect(parsed.code == .malformed, "with \(count) bytes")
        }
        #expect(Self.parse(bytes, with: &parser).code == nil)
    }

    static let malformed: [String] = [
        "", " ", "{", "}", "[]", "[{}]", "1", "\"a\"", "null", "true", "nul", "{}}", "{}{}", "{} 1", "{},",
        "\u{FEFF}{}",
        #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{,"a":1}"#, #"{"a":1 "b":2}"#, #"{"a" 1}"#, #"{a:1}"#, #"{'a':1}"#,
        #"{1:1}"#, #"{"a":1]"#, #"{"a":[1}"#, #"{"a":[1 2]}"#, #"{"a":[1,]}"#, #"{"a":[,1]}"#, #"{"a":[}]"#,
        #"{"a":tru}"#, #"{"a":truex}"#, #"{"a":falsy}"#, #"{"a":nulll}"#, #"{"a":nil}"#, #"{"a":NaN}"#,
        #"{"a":Infinity}"#, #"{"a":01}"#, #"{"a":-}"#, #"{"a":+1}"#, #"{"a":1.}"#, #"{"a":.5}"#, #"{"a":1e}"#,
        #"{"a":0x10}"#, #"{"a":1a}"#, #"{"a":1e999}"#, #"{"a":--1}"#, #"{"a":"x}"#, #"{"a":"\x"}"#,
        #"{"a":"\u12"}"#, #"{"a":"\u12G4"}"#, #"{"a":"\uD800"}"#, #"{"a":"\uD800\u0041"}"#, #"{"a":"\uDC00"}"#,
        #"{"a":"\uD800\uD800"}"#, #"{"\uDC00":1}"#, "{\"a\":\"\n\"}", "{\"a\":\"\u{0}\"}", "{\"a\":\"b\" \"c\"}",
        "{\"a\":\"b\"c}", #"{"a":1}//"#, #"{/**/"a":1}"#, #"{"a":[{"b":[{"c":]}]}"#, "{\u{A0}\"a\":1}",
    ]

    @Test("what is not a JSON object", arguments: malformed)
    func refusesMalformed(_ text: String) {
        #expect(Self.parse(text).code == .malformed)
    }

    @Test(
        "bytes that are not UTF-8",
        arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xC3]] as [[UInt8]])
    func refusesBytes(_ bytes: [UInt8]) {
        var parser = JSONParser()
        let text = Array(#"{"Action":"ping","a":""#.utf8) + bytes + Array("\"}".utf8)
        #expect(Self.parse(text, with: &parser).code == .malformed)
    }

    @Test("values may be nested 32 deep, and more is refused, however much")
    func depth() {
        func nested(_ count: Int) -> String {
            #"{"Action":"ping","x":"# + String(repeating: "[", count: count) + String(repeating: "]", count: count)
                + "}"
        }
        #expect(Self.parse(nested(31)).action == "ping")
        #expect(Self.parse(nested(32)).reason == "The message is nested too deeply.")
        #expect(Self.parse(nested(100_000)).code == .malformed)
        let objects = String(repeating: #"{"a":"#, count: 33) + "1" + String(repeating: "}", count: 33)
        #expect(Self.parse(objects).reason == "The message is nested too deeply.")
        #expect(Self.parse(String(repeating: "[", count: 100_000)).code == .malformed)
    }

    static let refused: [(String, JSONErrorCode, String, String?)] = [
        ("{}", .invalid, "Action is missing.", nil),
        (#"{"Id":1}"#, .invalid, "Action is missing.", "1"),
        (
            #"{"Action":"Publish","Id":1}"#, .unknownAction,
            "Action must be subscribe, unsubscribe, publish, ping or connect.", "1"
        ),
        (
            #"{"Action":""}"#, .unknownAction, "Action must be subscribe, unsubscribe, publish, ping or connect.", nil
        ),
        (#"{"Action":5,"Id":"x"}"#, .invalid, "Action must be a string.", #""x""#),
        (#"{"Action":null}"#, .invalid, "Action must be a string.", nil),
        (#"{"Action":"subscribe","Id":2}"#, .invalid, "subscribe needs Topic.", "2"),
        (#"{"Action":"unsubscribe"}"#, .invalid, "unsubscribe needs Topic.", nil),
        (#"{"Action":"publish","Payload":""}"#, .invalid, "publish needs Topic.", nil),
        (#"{"Action":"publish","Topic":"t"}"#, .invalid, "publish needs Payload.", nil),
        (#"{"Action":"publish","Topic":["t"],"Payload":""}"#, .invalid, "Topic must be a string.", nil),
        (#"{"Action":"publish","Topic":"t","Payload":{}}"#, .invalid, "Payload must be a string.", nil),
        (#"{"Action":"publish","Topic":"t","Payload":[]}"#, .invalid, "Payload must be a string.", nil),
        (#"{"Action":"publish","Topic":"t","Payload":1}"#, .invalid, "Payload must be a string.", nil),
        (#"{"Action":"publish","Topic":"t","Payload":true}"#, .invalid, "Payload must be a string.", nil),
        (#"{"Action":"publish","Topic":"t","Payload":null}"#, .invalid, "Payload must be a string.", nil),
        (#"{"Action":"subscribe","Topic":"t","QoS":3}"#, .invalid, "QoS must be 0, 1 or 2.", nil),
        (#"{"Action":"subscribe","Topic":"t","QoS":-1}"#, .invalid, "QoS must be 0, 1 or 2.", nil),
        (#"{"Action":"subscribe","Topic":"t","QoS":1.0}"#, .invalid, "QoS must be 0, 1 or 2.", nil),
        (#"{"Action":"subscribe","Topic":"t","QoS":"1"}"#, .invalid, "QoS must be 0, 1 or 2.", nil),
        (#"{"Action":"subscribe","Topic":"t","QoS":true}"#, .invalid, "QoS must be 0, 1 or 2.", nil),
        (
            #"{"Action":"publish","Topic":"t","Payload":"","Retain":1}"#, .invalid, "Retain must be true or false.",
            nil
        ),
        (
            #"{"Action":"publish","Topic":"t","Payload":"","Retain":"true"}"#, .invalid,
            "Retain must be true or false.", nil
        ),
        (
            #"{"Action":"publish","Topic":"t","Payload":"","Encoding":"utf8"}"#, .invalid,
            "Encoding must be base64, or be left out for text.", nil
        ),
        (
            #"{"Action":"publish","Topic":"t","Payload":"","Encoding":64}"#, .invalid, "Encoding must be a string.",
            nil
        ),
        (#"{"Action":"connect","ClientId":1}"#, .invalid, "ClientId must be a string.", nil),
        (#"{"Action":"connect","Username":{}}"#, .invalid, "Username must be a string.", nil),
        (#"{"Action":"connect","Password":null}"#, .invalid, "Password must be a string.", nil),
        (#"{"Action":"connect","Token":[]}"#, .invalid, "Token must be a string.", nil),
        (
            #"{"Action":"connect","Token":"t","Password":"p"}"#, .invalid,
            "connect takes Password or Token, not both.", nil
        ),
        (#"{"Action":"ping","Id":null}"#, .invalid, "Id must be a number or a string.", nil),
        (#"{"Action":"ping","Id":true}"#, .invalid, "Id must be a number or a string.", nil),
        (#"{"Action":"ping","Id":[1]}"#, .invalid, "Id must be a number or a string.", nil),
        (#"{"Action":"ping","Id":{"a":1}}"#, .invalid, "Id must be a number or a string.", nil),
        (
            "{\"Action\":\"ping\",\"Id\":\"\(String(repeating: "x", count: 63))\"}", .tooLarge,
            "Id may have 64 bytes.", nil
        ),
        (#"{"Action":"ping","action":"ping","Id":4}"#, .invalid, "Action is there twice.", "4"),
        (#"{"Action":"subscribe","Topic":"a","TOPIC":"b"}"#, .invalid, "Topic is there twice.", nil),
        (#"{"Action":"ping","Id":4,"id":5}"#, .invalid, "Id is there twice.", "4"),
        // The first of several faults.
        (#"{"QoS":9,"Topic":1,"Id":3}"#, .invalid, "QoS must be 0, 1 or 2.", "3"),
        // Bad JSON after a readable id comes first of all.
        (#"{"QoS":9,"Id":3,"x":tru}"#, .malformed, "The message is not valid JSON.", "3"),
        ("[1]", .malformed, "The message is not a JSON object.", nil),
    ]

    @Test(
        "requests that can not be done", arguments: refused.map { ($0.0, Parsed(id: $0.3, code: $0.1, reason: $0.2)) })
    func refuses(_ text: String, _ expected: Parsed) {
        #expect(Self.parse(text) == expected)
    }

    @Test(
        "payloads that are not base64",
        arguments: [
            "Zg", "Zg=", "Zg===", "=Zg=", "Zm9v=", "Z===", "====", "Zm 9", "Zm9v\\n", "Zm9-", "Zm9_", "Zh==", "Zm9=",
            "é",
            "Zg==Zg==",
        ])
    func badBase64(_ payload: String) {
        let text = #"{"Action":"publish","Topic":"t","Payload":"\#(payload)","Encoding":"base64","Id":1}"#
        #expect(Self.parse(text) == Parsed(id: "1", code: .invalid, reason: "Payload is not base64."))
    }

    @Test("a payload of a megabyte, and small requests after it")
    func large() {
        var parser = JSONParser()
        let payload = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
        let text =
            Array(#"{"Action":"publish","Topic":"a/b","Payload":""#.utf8) + payload + Array("\"}".utf8)
        #expect(Self.parse(text, with: &parser) == Parsed(action: "publish", topic: "a/b", payload: payload))
        #expect(Self.parse(Array(#"{"Action":"ping"}"#.utf8), with: &parser).action == "ping")
    }

    @Test("requests with random changes are parsed or refused, never fatal")
    func random() {
        let seed: UInt64 = 0x5EED_0006
        var random = SplitMix64(seed: seed)
        var parser = JSONParser()
        for _ in 0..<20_000 {
            var bytes = Array(Self.valid.randomElement(using: &random)!.0.utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let offset = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0...3, using: &random) {
                case 0: bytes[offset] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.remove(at: offset)
                case 2: bytes.insert(#"{}[]",:\ue1-tfn "#.utf8.randomElement(using: &random)!, at: offset)
                default: bytes.removeSubrange(offset..<min(offset + 5, bytes.count))
                }
                if bytes.isEmpty { break }
            }
            let parsed = Self.parse(bytes, with: &parser)
            #expect((parsed.code == nil) != parsed.action.isEmpty, "seed \(seed): \(bytes)")
            // What comes out is text, whatever went in.
            if parsed.code == nil { #expect(!parsed.topic.contains("\u{FFFD}"), "seed \(seed): \(bytes)") }
        }
    }
}
