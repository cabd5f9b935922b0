// What a connection can be in the middle of. The value lies in the connection's slot.

/// The state of a connection, from accepting to the slot's release.
package enum ConnectionState: UInt8, Sendable, CaseIterable {
    /// The slot is free.
    case free = 0
    /// A WebSocket port's: the HTTP request is not complete.
    case handshake = 1
    /// The transport stands, CONNECT has not come.
    case awaitingConnect = 2
    /// CONNECT is with the router; what follows it waits, so that CONNACK is the first answer [MQTT-3.2.0-1].
    case connecting = 3
    case connected = 4
    /// The end is decided: what is left is sent, nothing more is taken in.
    case closing = 5
    /// Everything is sent and our side is shut; what the peer still sends is thrown away, so that a reset does not
    /// take our last words from it.
    case lingering = 6
    /// The socket is closed; the slot waits until the router has handled the end.
    case departing = 7
    /// It is being found out who the client is; what it sends meanwhile waits.
    case authenticating = 8
    /// The client was sent an AUTH before its CONNACK and is to answer it.
    case challenged = 9

    /// Whether bytes of the peer still mean anything.
    package var isOpen: Bool {
        switch self {
        case .handshake, .awaitingConnect, .connecting, .connected, .authenticating, .challenged: true
        case .free, .closing, .lingering, .departing: false
        }
    }
}

extension ConnectionState {
    /// Whether what the client sends waits until CONNECT is answered, or gone on with.
    package var holdsInput: Bool { self == .connecting || self == .authenticating }
}

/// What speaks on a connection.
package enum Transport: UInt8, Sendable {
    /// MQTT packets directly on the stream.
    case mqtt = 0
    /// MQTT packets in binary WebSocket frames.
    case webSocketMQTT = 1
    /// The JSON protocol in text frames.
    case webSocketJSON = 2
}
