// Any packet, with storage of its own. For clients and tests; servers decode by type, the hot packets in place.

/// A control packet.
package enum Packet: Sendable, Equatable {
    case connect(Connect)
    case connack(Connack)
    case publish(Publish)
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    case acknowledgement(Acknowledgement)
    case subscribe(Subscribe)
    case suback(Suback)
    case unsubscribe(Unsubscribe)
    case unsuback(Unsuback)
    case pingreq, pingresp
    case disconnect(Disconnect)
    case auth(Auth)

    /// Decodes the packet at `offset`, all of which must be there, and whose fixed header is `header`. CONNECT brings
    /// its own version.
    package init(
        decoding bytes: Span<UInt8>, at offset: Int, header: FixedHeader, version: ProtocolVersion,
        from sender: Sender
    ) throws(ProtocolError) {
        guard header.type.isSent(by: sender) else {
            throw .forbidden("a packet that goes in the other direction only", "MQTT-2.1.2")
        }
        switch header.type {
        case .connect: self = .connect(try Connect(decoding: bytes, at: offset, header: header))
        case .connack: self = .connack(try Connack(decoding: bytes, at: offset, header: header, version: version))
        case .publish:
            self = .publish(try Publish(decoding: bytes, at: offset, header: header, version: version, from: sender))
        case .puback, .pubrec, .pubrel, .pubcomp:
            self = .acknowledgement(
                try Acknowledgement(decoding: bytes, at: offset, header: header, version: version, from: sender))
        case .subscribe:
            self = .subscribe(try Subscribe(decoding: bytes, at: offset, header: header, version: version))
        case .suback: self = .suback(try Suback(decoding: bytes, at: offset, header: header, version: version))
        case .unsubscribe:
            self = .unsubscribe(try Unsubscribe(decoding: bytes, at: offset, header: header, version: version))
        case .unsuback: self = .unsuback(try Unsuback(decoding: bytes, at: offset, header: header, version: version))
        case .pingreq, .pingresp:
            try Ping.check(header)
            self = header.type == .pingreq ? .pingreq : .pingresp
        case .disconnect:
            self = .disconnect(
                try Disconnect(decoding: bytes, at: offset, header: header, version: version, from: sender))
        case .auth:
            self = .auth(try Auth(decoding: bytes, at: offset, header: header, version: version, from: sender))
        }
    }

    /// Appends the packet. CONNECT brings its own version.
    package func encode(into output: inout [UInt8], version: ProtocolVersion) {
        switch self {
        case .connect(let packet): packet.encode(into: &output)
        case .connack(let packet): packet.encode(into: &output, version: version)
        case .publish(let packet): packet.encode(into: &output, version: version)
        case .acknowledgement(let packet): packet.encode(into: &output, version: version)
        case .subscribe(let packet): packet.encode(into: &output, version: version)
        case .suback(let packet): packet.encode(into: &output, version: version)
        case .unsubscribe(let packet): packet.encode(into: &output, version: version)
        case .unsuback(let packet): packet.encode(into: &output, version: version)
        case .pingreq: Ping.encode(.pingreq, into: &output)
        case .pingresp: Ping.encode(.pingresp, into: &output)
        case .disconnect(let packet): packet.encode(into: &output, version: version)
        case .auth(let packet): packet.encode(into: &output, version: version)
        }
    }
}

extension PacketType {
    /// Whether packets of this type go in this direction (MQTT 5 §2.1.2, table 2-1).
    package func isSent(by sender: Sender) -> Bool {
        switch self {
        case .connect, .subscribe, .unsubscribe, .pingreq: sender == .client
        case .connack, .suback, .unsuback, .pingresp: sender == .server
        case .publish, .puback, .pubrec, .pubrel, .pubcomp, .disconnect, .auth: true
        }
    }
}
