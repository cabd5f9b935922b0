// Frames between a listener and the process that checks who may connect. Each stands for itself: an answer names the request by
// connection and serial, so that whoever of the two is another one since asks again, or is told that nothing is known.

/// Whether a client is who it says; listener → auth. Answered by `AuthAnswer`, unless the listener takes it back with
/// `AuthForget` or the channel ends.
package struct AuthRequest: Frame, Equatable {
    package static let type = FrameType.authRequest

    package enum Kind: UInt8, Sendable {
        /// Nothing is asked: what a listener keeps of an exchange that is over. Not for the wire.
        case settled = 0
        /// User name and password of a CONNECT.
        case password = 1
        /// The method and the first data of a CONNECT (MQTT 5 §4.12).
        case begin = 2
        /// The client's answer to what auth has sent it.
        case proceed = 3
        /// The method and the first data of an AUTH of a client that is connected (MQTT 5 §4.12.1).
        case renew = 4
    }

    package var slot: UInt32
    package var generation: UInt32
    /// Tells the request from all others of its channel.
    package var serial: UInt32
    package var kind: Kind
    package var peer: PeerAddress
    /// 3, 4, 5; 0 for JSON.
    package var version: UInt8
    /// As CONNECT has it, which may be empty.
    package var clientIdentifier: [UInt8]
    /// As CONNECT has it.
    package var userName: [UInt8]
    package var password: [UInt8]
    /// Empty: none, which is not allowed in MQTT.
    package var method: [UInt8]
    package var data: [UInt8]

    package init(
        slot: UInt32, generation: UInt32, serial: UInt32 = 0, kind: Kind, peer: PeerAddress, version: UInt8,
        clientIdentifier: [UInt8], userName: [UInt8], password: [UInt8], method: [UInt8], data: [UInt8]
    ) {
        self.slot = slot
        self.generation = generation
        self.serial = serial
        self.kind = kind
        self.peer = peer
        self.version = version
        self.clientIdentifier = clientIdentifier
        self.userName = userName
        self.password = password
        self.method = method
        self.data = data
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(slot)
        writer.integer(generation)
        writer.integer(serial)
        writer.integer(kind.rawValue)
        peer.write(to: &writer)
        writer.integer(version)
        writer.blob(clientIdentifier)
        writer.blob(userName)
        writer.blob(password)
        writer.blob(method)
        writer.blob(data)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        slot = try reader.integer()
        generation = try reader.integer()
        serial = try reader.integer()
        guard let kind = Kind(rawValue: try reader.integer()) else { throw FrameError("unknown kind of request") }
        self.kind = kind
        peer = try PeerAddress(from: &reader)
        version = try reader.integer()
        clientIdentifier = try reader.blob()
        userName = try reader.blob()
        password = try reader.blob()
        method = try reader.blob()
        data = try reader.blob()
    }
}

/// The connection of a request is gone, and nobody waits for the answer; listener → auth. Of an exchange that goes over
/// several requests it names the last.
package struct AuthForget: Frame, Equatable {
    package static let type = FrameType.authForget
    package var slot: UInt32
    package var generation: UInt32
    package var serial: UInt32

    package init(slot: UInt32, generation: UInt32, serial: UInt32) {
        self.slot = slot
        self.generation = generation
        self.serial = serial
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(slot)
        writer.integer(generation)
        writer.integer(serial)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        slot = try reader.integer()
        generation = try reader.integer()
        serial = try reader.integer()
    }
}

/// The answer to an `AuthRequest`; auth → listener.
package struct AuthAnswer: Frame, Equatable {
    package static let type = FrameType.authAnswer
    package var slot: UInt32
    package var generation: UInt32
    package var serial: UInt32
    /// 0x00: the client is `userName`. 0x18: the client is to answer `data`. From 0x80 on: refused (MQTT 5 §3.2.2.2).
    package var reasonCode: UInt8
    /// Who it is, or says to be.
    package var userName: [UInt8]
    /// For the client, in AUTH or CONNACK.
    package var data: [UInt8]
    /// Why it is refused, for the log.
    package var reason: String

    package init(
        slot: UInt32, generation: UInt32, serial: UInt32, reasonCode: UInt8, userName: [UInt8], data: [UInt8],
        reason: String
    ) {
        self.slot = slot
        self.generation = generation
        self.serial = serial
        self.reasonCode = reasonCode
        self.userName = userName
        self.data = data
        self.reason = reason
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(slot)
        writer.integer(generation)
        writer.integer(serial)
        writer.integer(reasonCode)
        writer.blob(userName)
        writer.blob(data)
        writer.string(reason)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        slot = try reader.integer()
        generation = try reader.integer()
        serial = try reader.integer()
        reasonCode = try reader.integer()
        userName = try reader.blob()
        data = try reader.blob()
        reason = try reader.string()
    }
}
