// The address of the other end of a connection, as plain data.

/// An IPv4 or IPv6 address and port. IPv4 lies mapped (::ffff:a.b.c.d).
package struct PeerAddress: Equatable, Sendable {
    /// Bytes of it in a frame and in a slot.
    package static let byteCount = 18

    /// The first and the last eight bytes of the address, in network order.
    package var high: UInt64
    package var low: UInt64
    package var port: UInt16

    package init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
    }

    /// From `a.b.c.d` as a number in host order.
    package init(ipv4: UInt32, port: UInt16) {
        self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(ipv4), port: port)
    }

    package func write(to writer: inout FrameWriter) {
        writer.integer(high)
        writer.integer(low)
        writer.integer(port)
    }

    package init(from reader: inout FrameReader) throws(FrameError) {
        self.init(high: try reader.integer(), low: try reader.integer(), port: try reader.integer())
    }

    package var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// 127.0.0.0/8 or ::1.
    package var isLoopback: Bool {
        isIPv4 ? UInt8(truncatingIfNeeded: low >> 24) == 127 : high == 0 && low == 1
    }

    /// `192.0.2.1:50000` or `[2001:db8:0:0:0:0:0:1]:50000`.
    package var description: String {
        if isIPv4 {
            let bytes = [24, 16, 8, 0].map { String(UInt8(truncatingIfNeeded: low >> UInt64($0))) }
            return bytes.joined(separator: ".") + ":" + String(port)
        }
        let groups = [high, low].flatMap { half in
            [48, 32, 16, 0].map { String(UInt16(truncatingIfNeeded: half >> UInt64($0)), radix: 16) }
        }
        return "[" + groups.joined(separator: ":") + "]:" + String(port)
    }
}
