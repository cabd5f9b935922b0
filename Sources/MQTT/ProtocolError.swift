// What every decoder throws: why a packet is refused. Never fatal: the connection that sent it is closed with the
// reason, the worker lives on (MQTT 5 §4.13).

/// A packet that its specification does not allow.
package struct ProtocolError: Error, Sendable {
    /// What a v5 peer is told, in CONNACK or DISCONNECT.
    package let reason: ReasonCode
    /// What is wrong with the packet, in words for the log.
    package let what: StaticString
    /// The clause that forbids it, for example "MQTT-3.3.1-4"; MQTT 5's number where no version is named.
    package let clause: StaticString

    // Never inlined: throwing is rare, and the hot decoders that call this should stay small.
    @inline(never)
    package init(reason: ReasonCode, what: StaticString, clause: StaticString) {
        self.reason = reason
        self.what = what
        self.clause = clause
    }

    /// The bytes can not be read as a packet (MQTT 5 §1.2, Malformed Packet).
    @usableFromInline @inline(never)
    static func malformed(_ what: StaticString, _ clause: StaticString) -> ProtocolError {
        ProtocolError(reason: .malformedPacket, what: what, clause: clause)
    }

    /// The packet can be read, but it is not allowed to say this (MQTT 5 §1.2, Protocol Error).
    @usableFromInline @inline(never)
    static func forbidden(_ what: StaticString, _ clause: StaticString) -> ProtocolError {
        ProtocolError(reason: .protocolError, what: what, clause: clause)
    }
}

extension ProtocolError: CustomStringConvertible {
    package var description: String { "\(what) [\(clause)]" }
}
