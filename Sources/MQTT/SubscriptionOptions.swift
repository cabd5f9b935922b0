// The options of one subscription (MQTT 5 §3.8.3.1). Called by SUBSCRIBE's codec; the router reads them for every
// delivery.

/// When retained messages are sent to a subscription.
package enum RetainHandling: UInt8, Sendable, CaseIterable {
    /// Whenever it is made, the only way before v5.
    case always = 0
    /// Where it did not exist before.
    case ifNew
    case never
}

/// How a subscription receives. As one byte: its `rawValue`.
package struct SubscriptionOptions: RawRepresentable, Sendable, Hashable {
    /// The greatest QoS to deliver with.
    package var qos: QoS
    /// Whether messages of the same client are left out. v5 only.
    package var noLocal: Bool
    /// Whether deliveries keep the publisher's retain flag. v5 only.
    package var retainAsPublished: Bool
    /// v5 only.
    package var retainHandling: RetainHandling

    @inlinable
    package init(
        qos: QoS, noLocal: Bool = false, retainAsPublished: Bool = false, retainHandling: RetainHandling = .always
    ) {
        self.qos = qos
        self.noLocal = noLocal
        self.retainAsPublished = retainAsPublished
        self.retainHandling = retainHandling
    }

    /// Nil for QoS 3, retain handling 3 and reserved bits.
    package init?(rawValue: UInt8) {
        guard rawValue < 0x40, let qos = QoS(rawValue: rawValue & 0b11),
            let retainHandling = RetainHandling(rawValue: rawValue >> 4)
        else { return nil }
        self.init(
            qos: qos, noLocal: rawValue & 0b100 != 0, retainAsPublished: rawValue & 0b1000 != 0,
            retainHandling: retainHandling)
    }

    package var rawValue: UInt8 {
        qos.rawValue | (noLocal ? 0b100 : 0) | (retainAsPublished ? 0b1000 : 0) | retainHandling.rawValue << 4
    }

    /// Decodes the byte behind a topic filter.
    init(decoding byte: UInt8, version: ProtocolVersion) throws(ProtocolError) {
        // MQTT 3.1 §3.8 gives the upper six bits no meaning.
        let byte = version == .v3_1 ? byte & 0b11 : byte
        guard byte & (version == .v5 ? 0xC0 : 0xFC) == 0 else {
            throw .malformed("subscription options with reserved bits", "MQTT-3.8.3-5")
        }
        guard byte & 0b11 != 0b11 else { throw .forbidden("a subscription with QoS 3", "MQTT-3.8.3.1") }
        guard let options = Self(rawValue: byte) else {
            throw .forbidden("a subscription with retain handling 3", "MQTT-3.8.3.1")
        }
        self = options
    }
}
