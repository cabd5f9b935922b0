// The tables of golden and malformed packets, run.

import MQTT
import Testing

@Suite struct GoldenTests {
    @Test(arguments: Golden.all) func decodes(_ golden: Golden) throws {
        #expect(try decode(golden.bytes, version: golden.version, from: golden.sender) == golden.packet)
    }

    @Test(arguments: Golden.all.filter(\.canonical)) func encodes(_ golden: Golden) {
        #expect(golden.packet.encoded(golden.version) == golden.bytes)
    }

    @Test(arguments: Malformed.all) func refuses(_ malformed: Malformed) throws {
        let error = #expect(throws: ProtocolError.self) {
            _ = try decode(malformed.bytes, version: malformed.version, from: malformed.sender)
        }
        #expect(error?.reason == malformed.reason)
        #expect(error.map { "\($0.clause)" } == malformed.clause)
    }

    /// Each type stands in the table, as 3.1.1 and as 5 write it.
    @Test func tableIsComplete() {
        for type in PacketType.allCases {
            for version in [ProtocolVersion.v3_1_1, .v5] where type != .auth || version == .v5 {
                #expect(
                    Golden.all.contains { $0.bytes[0] >> 4 == type.rawValue && $0.version == version },
                    "\(type) in \(version)")
            }
        }
    }

    /// How a CONNECT that can not be accepted is answered.
    @Test(arguments: [
        ("10 0C 0004'MQTT' 04 03 0000 0000", ProtocolVersion.v3_1_1),
        ("10 0C 0004'MQTT' 03 02 0000 0000", .v3_1_1),
        ("10 0C 0004'MQTT' 84 02 0000 0000", .v3_1_1),
        ("10 0D 0004'MQTT' 05 03 0000 00 0000", .v5),
        ("10 0D 0004'MQTT' 06 02 0000 00 0000", .v5),
        ("10 0E 0006'MQIsdp' 03 02 003C 0000", .v3_1),
        ("10 0E 0006'MQIsdp' 04 02 003C 0000", .v3_1),
        ("10 0C 0004'HTTP' 04 02 0000 0000", nil),
        ("10 04 0004'MQ'", nil),
    ])
    func refusalVersion(_ notation: String, _ version: ProtocolVersion?) throws {
        let bytes = MQTTTests.bytes(notation)
        let header = try #require(try MQTTTests.header(bytes, .v3_1_1))
        let found = Connect.refusalVersion(bytes.span, at: 0, header: header)
        #expect(found == version)
    }

    /// MQTT 3.1.1 [MQTT-3.2.2-6]: reasons without a return code are not told.
    @Test func unsayableConnack() {
        #expect(Packet.connack(Connack(reason: .malformedPacket)).encoded(.v3_1_1).isEmpty)
        #expect(Packet.connack(Connack(reason: .serverBusy)).encoded(.v3_1) == [0x20, 2, 0, 3])
        for code: UInt8 in 0...5 { #expect(ReasonCode(connackReturnCode: code)?.connackReturnCode == code) }
        #expect(ReasonCode(connackReturnCode: 6) == nil)
    }
}
