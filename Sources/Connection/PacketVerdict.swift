// The connection machine: what a packet means in the state that its connection is in. Order is this table, and nothing
// else: whoever handles packets asks it first.

package import MQTT

/// What to do with a packet.
package enum PacketVerdict: Sendable {
    case connect
    case publish
    case acknowledge
    case subscribe
    case unsubscribe
    case ping
    case disconnect
    case authenticate
    /// Not now: it waits until the router has answered CONNECT.
    case wait
    case violation(ProtocolError)

    /// Looks up the verdict for a packet of `type` from a client.
    ///
    /// - Parameter version: `nil` before CONNECT.
    package static func of(_ type: PacketType, in state: ConnectionState, version: ProtocolVersion?) -> PacketVerdict {
        switch state {
        case .awaitingConnect:
            return type == .connect
                ? .connect
                : .violation(
                    ProtocolError(
                        reason: .protocolError, what: "the first packet is not CONNECT", clause: "MQTT-3.1.0-1"))
        case .connecting, .authenticating:
            return .wait
        case .challenged:
            return challenged(type)
        case .connected:
            return connected(type, version)
        case .free, .handshake, .closing, .lingering, .departing:
            return .violation(
                ProtocolError(
                    reason: .protocolError, what: "a packet outside of a connection", clause: "MQTT-4.8.0-1"))
        }
    }

    private static func challenged(_ type: PacketType) -> PacketVerdict {
        switch type {
        case .auth: .authenticate
        case .disconnect: .disconnect
        default:
            .violation(
                ProtocolError(
                    reason: .protocolError, what: "a packet other than AUTH and DISCONNECT before CONNACK",
                    clause: "MQTT-3.1.2-30"))
        }
    }

    private static func connected(_ type: PacketType, _ version: ProtocolVersion?) -> PacketVerdict {
        switch type {
        case .publish: .publish
        case .puback, .pubrec, .pubrel, .pubcomp: .acknowledge
        case .subscribe: .subscribe
        case .unsubscribe: .unsubscribe
        case .pingreq: .ping
        case .disconnect: .disconnect
        case .auth where version == .v5: .authenticate
        case .connect:
            .violation(ProtocolError(reason: .protocolError, what: "a second CONNECT", clause: "MQTT-3.1.0-2"))
        case .connack, .suback, .unsuback, .pingresp, .auth:
            .violation(
                ProtocolError(
                    reason: .protocolError, what: "a packet that only servers send", clause: "MQTT-2.1.2"))
        }
    }
}
