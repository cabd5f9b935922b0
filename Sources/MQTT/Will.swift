// The will message that CONNECT carries (MQTT 5 §3.1.2.5, §3.1.3.2 to §3.1.3.4).

/// What the server publishes when the connection ends without a DISCONNECT.
package struct Will: Sendable, Equatable {
    package var topic: String
    /// At most 65,535 bytes.
    package var payload: [UInt8]
    package var qos: QoS
    package var retain: Bool
    /// v5 only.
    package var properties: Properties

    package init(
        topic: String, payload: [UInt8], qos: QoS = .atMostOnce, retain: Bool = false,
        properties: Properties = Properties()
    ) {
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.properties = properties
    }
}
