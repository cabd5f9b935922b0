// What brokers of a cluster tell each other of their retained messages, as bytes. Values; nothing here is I/O.
// docs/protocol/cluster.md has the layout.

import EventLoop
import MQTT
import Messages

/// A retained message, or the word that its topic was cleared.
struct RetainedItem: Equatable {
    static let topic = Array("$apus/retained".utf8)
    static let version: UInt8 = 1
    private static let headByteCount = 23

    /// Of two of a topic the one with the larger stamp holds.
    var stamp: UInt64
    /// Until it is of no use any more; 0: for ever.
    var secondsLeft: UInt32 = 0
    var qos: UInt8 = 0
    var name: [UInt8]
    /// Empty: the topic was cleared.
    var payload: [UInt8]
    var properties: [UInt8] = []

    func append(to bytes: inout [UInt8]) {
        bytes.append(integer: stamp)
        bytes.append(integer: secondsLeft)
        bytes.append(qos)
        bytes.append(integer: UInt16(truncatingIfNeeded: name.count))
        bytes.append(integer: UInt32(truncatingIfNeeded: payload.count))
        bytes.append(integer: UInt32(truncatingIfNeeded: properties.count))
        bytes += name
        bytes += payload
        bytes += properties
    }

    /// The items of a message.
    /// - Returns: nil where it is not made as this broker makes them.
    static func all(in message: RawSpan) -> [RetainedItem]? {
        guard message.byteCount > 0, message.load8(at: 0) == version else { return nil }
        var items: [RetainedItem] = []
        var offset = 1
        while offset < message.byteCount {
            guard let item = RetainedItem(message, at: &offset) else { return nil }
            items.append(item)
        }
        return items
    }

    private init?(_ message: RawSpan, at offset: inout Int) {
        guard message.byteCount - offset >= Self.headByteCount else { return nil }
        let lengths = [
            Int(message.load16(at: offset + 13)), Int(message.load32(at: offset + 15)),
            Int(message.load32(at: offset + 19)),
        ]
        let start = offset + Self.headByteCount
        guard message.byteCount - start >= lengths.reduce(0, +) else { return nil }
        stamp = message.load64(at: offset)
        secondsLeft = message.load32(at: offset + 8)
        qos = message.load8(at: offset + 12)
        let ends = [start + lengths[0], start + lengths[0] + lengths[1], start + lengths.reduce(0, +)]
        name = message.extracting(start..<ends[0]).array
        payload = message.extracting(ends[0]..<ends[1]).array
        properties = message.extracting(ends[1]..<ends[2]).array
        offset = ends[2]
        guard qos <= 2, (try? TopicName.check(name.span)) != nil, name.first != UInt8(ascii: "$") else { return nil }
    }

    init(
        stamp: UInt64, secondsLeft: UInt32 = 0, qos: UInt8 = 0, name: [UInt8], payload: [UInt8],
        properties: [UInt8] = []
    ) {
        self.stamp = stamp
        self.secondsLeft = secondsLeft
        self.qos = qos
        self.name = name
        self.payload = payload
        self.properties = properties
    }
}

extension [UInt8] {
    /// Little-endian.
    mutating func append(integer: some FixedWidthInteger & UnsignedInteger) {
        for shift in stride(from: 0, to: integer.bitWidth, by: 8) {
            append(UInt8(truncatingIfNeeded: integer >> shift))
        }
    }
}
