// PINGREQ and PINGRESP (MQTT 5 §3.12, §3.13): a fixed header and nothing else.

/// The two packets that only say "I am here".
package enum Ping {
    /// Passes if the PINGREQ or PINGRESP with this header is complete with it.
    @inlinable @inline(__always)
    package static func check(_ header: FixedHeader) throws(ProtocolError) {
        guard header.remainingLength == 0 else {
            throw .malformed("a PINGREQ or PINGRESP with something behind its header", "MQTT-3.12.1")
        }
    }

    /// Appends a PINGREQ or PINGRESP.
    package static func encode(_ type: PacketType, into output: inout [UInt8]) {
        output.append(type.firstByte)
        output.append(0)
    }
}
