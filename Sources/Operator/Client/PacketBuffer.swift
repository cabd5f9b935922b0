// Bytes from the broker until they are whole packets.

import MQTT

/// The input of one connection.
struct PacketBuffer {
    private(set) var bytes: [UInt8] = []
    /// Where the first packet that was not taken starts.
    private var start = 0

    /// Reads what the socket has.
    mutating func fill(from socket: TCPSocket) -> TCPSocket.Outcome {
        bytes.removeFirst(start)
        start = 0
        return socket.read(into: &bytes)
    }

    /// Where the next packet starts and its header; nil where it is not whole. It is taken with this: look at it
    /// before filling again.
    mutating func next(_ version: ProtocolVersion) throws(ProtocolError) -> (offset: Int, header: FixedHeader)? {
        guard let header = try FixedHeader.read(bytes.span, at: start, version: version),
            bytes.count - start >= header.packetLength
        else { return nil }
        defer { start += header.packetLength }
        return (start, header)
    }

    /// The next packet; nil where it is not whole.
    mutating func nextPacket(_ version: ProtocolVersion) throws(ProtocolError) -> Packet? {
        guard let (offset, header) = try next(version) else { return nil }
        return try packet(at: offset, header, version)
    }

    /// The packet that ``next(_:)`` found.
    func packet(
        at offset: Int, _ header: FixedHeader, _ version: ProtocolVersion
    ) throws(ProtocolError) -> Packet {
        try Packet(decoding: bytes.span, at: offset, header: header, version: version, from: .server)
    }

    /// The parts of the PUBLISH that ``next(_:)`` found.
    func message(
        at offset: Int, _ header: FixedHeader, _ version: ProtocolVersion
    ) throws(ProtocolError) -> PublishHeader {
        try PublishHeader(bytes.span, at: offset, header: header, version: version, from: .server)
    }

    /// The acknowledgement that ``next(_:)`` found.
    func step(
        at offset: Int, _ header: FixedHeader, _ version: ProtocolVersion
    ) throws(ProtocolError) -> AckHeader {
        try AckHeader(bytes.span, at: offset, header: header, version: version, from: .server)
    }
}
