// Reason codes: the table of MQTT 5 §2.4, counted.

import MQTT
import Testing

@Suite struct ReasonCodeTests {
    /// How many codes each packet may carry, as the tables of §3.2 to §3.15 list them, both senders taken
    /// together; in DISCONNECT one more, 0x8C, which only the table of §2.4 gives it.
    @Test(arguments: [
        (PacketType.connect, 0), (.connack, 22), (.publish, 0), (.puback, 9), (.pubrec, 9), (.pubrel, 2),
        (.pubcomp, 2), (.subscribe, 0), (.suback, 12), (.unsubscribe, 0), (.unsuback, 7), (.pingreq, 0),
        (.pingresp, 0), (.disconnect, 30), (.auth, 3),
    ])
    func codes(of type: PacketType, _ count: Int) {
        let allowed = (0...255).map { ReasonCode(rawValue: $0) }.filter {
            $0.isAllowed(in: type, from: .client) || $0.isAllowed(in: type, from: .server)
        }
        #expect(allowed.count == count)
    }

    /// Each code has words of its own; what is not defined shows its number.
    @Test func descriptions() {
        let defined = (0...255).map { ReasonCode(rawValue: $0) }.filter { code in
            PacketType.allCases.contains {
                code.isAllowed(in: $0, from: .server) || code.isAllowed(in: $0, from: .client)
            }
        }
        #expect(defined.count == 43)
        #expect(Set(defined.map(\.description)).count == 43)
        #expect(defined.allSatisfy { !$0.description.hasPrefix("reason code") })
        #expect("\(ReasonCode(rawValue: 0xFF))" == "reason code 255")
        #expect("\(ReasonCode.serverShuttingDown)" == "server shutting down")
    }

    @Test func errorsSayWhatAndWhere() {
        let error = #expect(throws: ProtocolError.self) { try checkName([UInt8(ascii: "#")]) }
        #expect(error.map { "\($0)" } == "a topic name with a wildcard [MQTT-3.3.2-2]")
    }
}
