// A row of `clients`, and what `apusctl clients --json` prints: its keys are an interface for scripts.

/// One connected client. The text is the client's own and is not escaped for terminals: whoever shows it does that.
package struct ClientReport: Codable, Equatable, Sendable {
    package var clientID: String
    /// The listener's name.
    package var listener: String
    /// Its address and port: `192.0.2.1:40001`, `[2001:db8::1]:40001`.
    package var peer: String
    /// `MQTT 5.0`, `MQTT 3.1.1`, `MQTT 3.1` or `JSON`.
    package var `protocol`: String
    /// Seconds since it connected.
    package var connected: Double
    /// Its keep-alive in seconds, 0 for none.
    package var keepAlive: Int
    package var subscriptions: Int

    private enum CodingKeys: String, CodingKey {
        case listener, peer, `protocol`, subscriptions
        case clientID = "client_id"
        case connected = "connected_s"
        case keepAlive = "keep_alive_s"
    }

    package init(
        clientID: String, listener: String, peer: String, protocol: String, connected: Double, keepAlive: Int,
        subscriptions: Int
    ) {
        self.clientID = clientID
        self.listener = listener
        self.peer = peer
        self.protocol = `protocol`
        self.connected = connected
        self.keepAlive = keepAlive
        self.subscriptions = subscriptions
    }
}
