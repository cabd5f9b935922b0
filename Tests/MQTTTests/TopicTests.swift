// The rules for topic names and filters, and what matches what (MQTT 5 §4.7, §4.8.2).

import MQTT
import Testing

@Suite struct TopicTests {
    @Test(arguments: [
        // §4.7.1.2
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
        ("sport/tennis/player1/#", "sport/tennis/player10", false),
        ("sport/#", "sport", true),
        ("#", "sport", true),
        ("#", "/", true),
        // §4.7.1.3
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("+/tennis/#", "sport/tennis", true),
        ("+/+/+", "a//b", true),
        // §4.7.2
        ("#", "$SYS/monitor", false),
        ("+/monitor/Clients", "$SYS/monitor/Clients", false),
        ("$SYS/#", "$SYS/monitor", true),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
        ("a/#", "a/$SYS", true),
        ("+/+", "a/$b", true),
        ("$SYS", "$SYS", true),
        // §4.7.3
        ("ACCOUNTS", "Accounts", false),
        ("a", "/a", false),
        ("a/", "a", false),
        ("a", "a/", false),
        ("a//b", "a//b", true),
        ("a//b", "a/b", false),
        // Unicode is not normalized.
        ("\u{E9}", "e\u{301}", false),
    ])
    func matches(_ filter: String, _ topic: String, _ expected: Bool) throws {
        try checkFilter(filter)
        try checkName(Array(topic.utf8))
        #expect(TopicFilter.matches(filter, topic) == expected)
    }

    @Test(arguments: ["#", "+", "/", "//", "+/+", "a/#", "/#", "+/#", "a/+/b", "$share", "é/+", " "])
    func validFilters(_ filter: String) throws { try checkFilter(filter) }

    @Test(arguments: ["", "##", "#/", "a#", "#a", "a/#/b", "++", "a+", "+a", "a/+b/c", "+#", "#+"])
    func invalidFilters(_ filter: String) {
        let error = #expect(throws: ProtocolError.self) { try checkFilter(filter) }
        #expect(error?.reason == .topicFilterInvalid)
    }

    /// A bad byte is found wherever it stands, also behind what vector instructions take at once.
    @Test func badBytesAreFoundEverywhere() throws {
        for length in 1...80 {
            let good = [UInt8](repeating: UInt8(ascii: "a"), count: length)
            try checkName(good)
            for index in 0..<length {
                for bad: UInt8 in [0, UInt8(ascii: "+"), UInt8(ascii: "#"), 0x80, 0xFF] {
                    var name = good
                    name[index] = bad
                    #expect(throws: ProtocolError.self) { try checkName(name) }
                    let isText = bad == UInt8(ascii: "+") || bad == UInt8(ascii: "#")
                    #expect(isValidMQTT(name) == isText)
                }
            }
        }
    }

    /// Every other byte of ASCII may stand in a topic.
    @Test func otherASCIIPasses() throws {
        for byte: UInt8 in 1...127 where byte != UInt8(ascii: "+") && byte != UInt8(ascii: "#") {
            try checkName([byte])
        }
    }

    @Test(arguments: [
        ("7F", true), ("C280", true), ("DFBF", true), ("E0A080", true), ("ED9FBF", true), ("EE8080", true),
        ("F0908080", true), ("F48FBFBF", true), ("EFBBBF", true), ("EFBFBF", true), ("", true),
        ("00", false), ("80", false), ("C0AF", false), ("C1BF", false), ("E09FBF", false), ("EDA080", false),
        ("EDBFBF", false), ("F08FBFBF", false), ("F4908080", false), ("F5808080", false), ("C2", false),
        ("E282", false), ("C3A900", false),
    ])
    func utf8(_ notation: String, _ valid: Bool) {
        #expect(isValidMQTT(bytes(notation)) == valid)
    }

    @Test func payloadMayHoldNull() {
        #expect(isValidPayload(bytes("00 C3A9")))
        #expect(!isValidPayload(bytes("00 C3")))
    }

    @Test func sharedFilters() throws {
        let filter = Array("$share/group/a/+".utf8)
        let shared = try #require(try sharedFilter("$share/group/a/+"))
        #expect(String(decoding: filter[shared.group], as: UTF8.self) == "group")
        #expect(String(decoding: filter[shared.filter], as: UTF8.self) == "a/+")
        for ordinary in ["a", "$share", "$shared/a/b", "a/$share/b/c"] {
            #expect(try sharedFilter(ordinary) == nil)
        }
    }

    @Test(arguments: [("a", 1), ("/", 2), ("a/b/c", 3), ("", 1)])
    func levels(_ topic: String, _ count: Int) {
        let levels = TopicName.levels(Array(topic.utf8).span)
        #expect(levels == count)
    }
}
