// Every packet in every state and version, against one table.

import MQTT
import Testing

@testable import Connection

@Suite struct VerdictTests {
    /// What each packet means once the connection stands; nil where it is a violation.
    static let connected: [(type: PacketType, verdict: String?)] = [
        (.connect, nil),
        (.connack, nil),
        (.publish, "publish"),
        (.puback, "acknowledge"),
        (.pubrec, "acknowledge"),
        (.pubrel, "acknowledge"),
        (.pubcomp, "acknowledge"),
        (.subscribe, "subscribe"),
        (.suback, nil),
        (.unsubscribe, "unsubscribe"),
        (.unsuback, nil),
        (.pingreq, "ping"),
        (.pingresp, nil),
        (.disconnect, "disconnect"),
        (.auth, nil),
    ]

    @Test func theTableHoldsEveryType() {
        #expect(Self.connected.map(\.type.rawValue) == (0...255).compactMap { PacketType(rawValue: $0)?.rawValue })
    }

    @Test func everyPacketHasItsVerdict() {
        for state in ConnectionState.allCases {
            for version in [nil, ProtocolVersion.v3_1, .v3_1_1, .v5] {
                for (type, verdict) in Self.connected {
                    let found = PacketVerdict.of(type, in: state, version: version)
                    #expect(
                        word(found) == expected(type, verdict, state, version),
                        "\(type) in \(state) \(String(describing: version))")
                }
            }
        }
    }

    /// The rules around the table, each beside the clause it comes from.
    private func expected(
        _ type: PacketType, _ verdict: String?, _ state: ConnectionState, _ version: ProtocolVersion?
    ) -> String {
        switch state {
        case .awaitingConnect: type == .connect ? "connect" : "violation MQTT-3.1.0-1"
        case .connecting, .authenticating: "wait"
        case .challenged:
            switch type {
            case .auth: "authenticate"
            case .disconnect: "disconnect"
            default: "violation MQTT-3.1.2-30"
            }
        case .connected:
            switch type {
            case .auth where version == .v5: "authenticate"
            case .connect: "violation MQTT-3.1.0-2"
            default: verdict ?? "violation MQTT-2.1.2"
            }
        case .free, .handshake, .closing, .lingering, .departing: "violation MQTT-4.8.0-1"
        }
    }

    private func word(_ verdict: PacketVerdict) -> String {
        if case .violation(let error) = verdict {
            #expect(error.reason == .protocolError)
            return "violation \(error.clause)"
        }
        return "\(verdict)"
    }

    @Test func onlyStatesBeforeTheEndAreOpen() {
        let open = ConnectionState.allCases.filter(\.isOpen)
        #expect(open == [.handshake, .awaitingConnect, .connecting, .connected, .authenticating, .challenged])
    }

    @Test func theStatesAreNumberedAsTheArenaKeepsThem() {
        // A change of these is a new layout of the arena.
        #expect(ConnectionState.allCases.map(\.rawValue) == Array(0...9))
        #expect([Transport.mqtt, .webSocketMQTT, .webSocketJSON].map(\.rawValue) == [0, 1, 2])
    }
}
