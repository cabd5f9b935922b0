// What tells a message of a cluster from all others: a number of the router's that took it, and the name of that broker.

/// A message at the broker that took it.
///
/// The router's, in the session of a cluster's bridge: it goes there as a user property behind all others, and from there to RabbitMQ as
/// a header of the same name.
package struct MessageIdentity: Hashable, Sendable {
    /// Counted up from a random one by each router.
    package var number: UInt64
    /// The QoS that it was published with, 0 to 2.
    package var qos: UInt8

    package init(number: UInt64, qos: UInt8) {
        self.number = number
        self.qos = qos
    }

    package static let name = Array("x-apus-id".utf8)
    private static let digits = Array("0123456789abcdef".utf8)

    /// Sixteen digits, a dot and the QoS.
    package var text: [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(18)
        for shift in stride(from: 60, through: 0, by: -4) {
            text.append(Self.digits[Int(truncatingIfNeeded: number >> UInt64(shift) & 15)])
        }
        text.append(UInt8(ascii: "."))
        text.append(UInt8(ascii: "0") + qos)
        return text
    }

    /// nil: it is not `text` of any.
    package init?(text: [UInt8]) {
        guard text.count == 18, text[16] == UInt8(ascii: "."), (48...50).contains(text[17]) else { return nil }
        var number: UInt64 = 0
        for byte in text[..<16] {
            guard let digit = Self.digits.firstIndex(of: byte) else { return nil }
            number = number << 4 | UInt64(digit)
        }
        self.init(number: number, qos: text[17] - 48)
    }

    /// As a user property of MQTT 5 (§2.2.2.2).
    package var property: [UInt8] {
        [0x26, 0, UInt8(Self.name.count)] + Self.name + [0, 18] + text
    }
}

/// A message among those of all brokers of a cluster.
///
/// In a PUBLISH frame with `hasOrigin`, behind the properties and counted as part of them: u64 number, u8 QoS, the node's name, u8
/// length of that.
package struct MessageOrigin: Hashable, Sendable {
    package var identity: MessageIdentity
    /// 1 to 255 bytes.
    package var node: [UInt8]

    /// nil: the name is not one that can be said.
    package init?(_ identity: MessageIdentity, node: [UInt8]) {
        guard (1...255).contains(node.count) else { return nil }
        self.identity = identity
        self.node = node
    }

    package var byteCount: Int { 10 + node.count }

    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: identity.number >> shift))
        }
        return bytes + [identity.qos] + node + [UInt8(node.count)]
    }

    /// - Parameter properties: of a PUBLISH frame with `hasOrigin`; the origin is at their end.
    package init(endOf properties: RawSpan) throws(FrameError) {
        let end = properties.byteCount - 1
        guard end >= 0 else { throw FrameError("no origin where one is said to be") }
        let length = Int(properties.load8(at: end))
        let start = end - length - 9
        guard length > 0, start >= 0, properties.load8(at: start + 8) <= 2 else {
            throw FrameError("an origin that is none")
        }
        identity = MessageIdentity(number: properties.load64(at: start), qos: properties.load8(at: start + 8))
        node = properties.extracting((start + 9)..<end).array
    }
}
