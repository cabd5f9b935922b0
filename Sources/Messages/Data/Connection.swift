// Frames about a connection's beginning and end.

/// The first frame on a data channel, both ways: who speaks. A listener also says where its stream goes on, which
/// outlives routers; the router's begins with each channel, and it leaves the rest as it is.
package struct Hello: Frame, Equatable {
    package static let type = FrameType.hello
    /// The number of the place.
    package var worker: UInt32
    package var generation: UInt32
    /// The offset at which the listener's stream goes on: the first byte behind `ResumeEnd` has it. 0 in a new arena.
    package var from: UInt64
    /// The offset that the last batch it has applied answered; at least `from`.
    package var answered: UInt64
    /// How far the streams of other listeners have had their effect on this one.
    package var marks: [StreamMark]

    package init(
        worker: UInt32, generation: UInt32, from: UInt64 = 0, answered: UInt64 = 0, marks: [StreamMark] = []
    ) {
        self.worker = worker
        self.generation = generation
        self.from = from
        self.answered = answered
        self.marks = marks
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(worker)
        writer.integer(generation)
        writer.integer(from)
        writer.integer(answered)
        StreamMark.write(marks, to: &writer)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        worker = try reader.integer()
        generation = try reader.integer()
        from = try reader.integer()
        answered = try reader.integer()
        marks = try StreamMark.read(from: &reader)
        guard answered >= from else { throw FrameError("a stream that begins behind what was answered") }
    }
}

/// A client asks for a session; listener → router. Answered by `ConnackFrame`.
package struct ConnectFrame: Frame, Equatable {
    package static let type = FrameType.connect

    package struct Will: Equatable, Sendable {
        package var qos: UInt8
        package var retain: Bool
        /// Seconds between the connection's end and the will (MQTT 5).
        package var delay: UInt32
        package var topic: [UInt8]
        package var payload: [UInt8]
        /// Encoded properties that travel with the message.
        package var properties: [UInt8]

        package init(
            qos: UInt8, retain: Bool, delay: UInt32, topic: [UInt8], payload: [UInt8], properties: [UInt8]
        ) {
            self.qos = qos
            self.retain = retain
            self.delay = delay
            self.topic = topic
            self.payload = payload
            self.properties = properties
        }

        package func write(to writer: inout FrameWriter) {
            writer.integer(qos)
            writer.boolean(retain)
            writer.integer(delay)
            writer.blob(topic)
            writer.blob(payload)
            writer.blob(properties)
        }

        package init(from reader: inout FrameReader) throws(FrameError) {
            qos = try reader.integer()
            retain = try reader.boolean()
            delay = try reader.integer()
            topic = try reader.blob()
            payload = try reader.blob()
            properties = try reader.blob()
        }
    }

    package var slot: UInt32
    package var generation: UInt32
    package var acceptNumber: UInt64
    package var peer: PeerAddress
    /// 3, 4, 5; 0 for JSON.
    package var version: UInt8
    package var cleanStart: Bool
    package var keepAlive: UInt16
    /// Seconds; 0 ends the session with the connection.
    package var sessionExpiry: UInt32
    /// QoS 1 and 2 messages that the client takes at once.
    package var receiveMaximum: UInt16
    /// Bytes; 0 for no limit.
    package var maximumPacketSize: UInt32
    /// Empty: the router assigns one.
    package var clientIdentifier: [UInt8]
    package var userName: [UInt8]
    package var will: Will?

    package init(
        slot: UInt32, generation: UInt32, acceptNumber: UInt64, peer: PeerAddress, version: UInt8, cleanStart: Bool,
        keepAlive: UInt16, sessionExpiry: UInt32, receiveMaximum: UInt16, maximumPacketSize: UInt32,
        clientIdentifier: [UInt8], userName: [UInt8], will: Will?
    ) {
        self.slot = slot
        self.generation = generation
        self.acceptNumber = acceptNumber
        self.peer = peer
        self.version = version
        self.cleanStart = cleanStart
        self.keepAlive = keepAlive
        self.sessionExpiry = sessionExpiry
        self.receiveMaximum = receiveMaximum
        self.maximumPacketSize = maximumPacketSize
        self.clientIdentifier = clientIdentifier
        self.userName = userName
        self.will = will
    }

    package func write(to writer: inout FrameWriter) {
        writer.integer(slot)
        writer.integer(generation)
        writer.integer(acceptNumber)
        peer.write(to: &writer)
        writer.integer(version)
        writer.boolean(cleanStart)
        writer.integer(keepAlive)
        writer.integer(sessionExpiry)
        writer.integer(receiveMaximum)
        writer.integer(maximumPacketSize)
        writer.blob(clientIdentifier)
        writer.blob(userName)
        writer.boolean(will != nil)
        will?.write(to: &writer)
    }

    package init(from reader: inout FrameReader) throws(FrameError) {
        slot = try reader.integer()
        generation = try reader.integer()
        acceptNumber = try reader.integer()
        peer = try PeerAddress(from: &reader)
        version = try reader.integer()
        cleanStart = try reader.boolean()
        keepAlive = try reader.integer()
        sessionExpiry = try reader.integer()
        receiveMaximum = try reader.integer()
        maximumPacketSize = try reader.integer()
        clientIdentifier = try reader.blob()
        userName = try reader.blob()
        will = try reader.boolean() ? Will(from: &reader) : nil
    }
}

/// The router's answer to a `ConnectFrame`.
package struct ConnackFrame: Frame, Equatable {
    package static let type = FrameType.connack
    package var slot: UInt32
    package var generation: UInt32
    /// An MQTT 5 reason code.
    package var reasonCode: UInt8
    package var sessionPresent: Bool
    /// Seconds that the session outlives the connection, as granted.
    package var sessionExpiry: UInt32
    /// The store keeps this session: its subscriptions and its queue.
    package var durable: Bool
    /// The session's client identifier; where the client gave none, the one assigned.
    package var clientIdentifier: [UInt8]

    package init(
        slot: UInt32, generation: UInt32, reasonCode: UInt8, sessionPresent: Bool, sessionExpiry: UInt32,
        durable: Bool, clientIdentifier: [UInt8]
    ) {
        self.slot = slot
        self.generation = generation
        self.reasonCode = reasonCode
        self.sessionPresent = sessionPresent
        self.sessionExpiry = sessionExpiry
        self.durable = durable
        self.clientIdentifier = clientIdentifier
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(slot)
        writer.integer(generation)
        writer.integer(reasonCode)
        writer.boolean(sessionPresent)
        writer.integer(sessionExpiry)
        writer.boolean(durable)
        writer.blob(clientIdentifier)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        slot = try reader.integer()
        generation = try reader.integer()
        reasonCode = try reader.integer()
        sessionPresent = try reader.boolean()
        sessionExpiry = try reader.integer()
        durable = try reader.boolean()
        clientIdentifier = try reader.blob()
    }
}

/// A connection that had asked for a session is over; listener → router.
package struct DisconnectedFrame: Frame, Equatable {
    package static let type = FrameType.disconnected
    package var slot: UInt32
    package var generation: UInt32
    /// An MQTT 5 reason code, for logs and the session.
    package var reasonCode: UInt8
    /// False after a DISCONNECT that asked for none [MQTT-3.14.4-3].
    package var publishWill: Bool
    /// A new session expiry from the DISCONNECT's properties, in seconds.
    package var sessionExpiry: UInt32?

    package init(slot: UInt32, generation: UInt32, reasonCode: UInt8, publishWill: Bool, sessionExpiry: UInt32?) {
        self.slot = slot
        self.generation = generation
        self.reasonCode = reasonCode
        self.publishWill = publishWill
        self.sessionExpiry = sessionExpiry
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(slot)
        writer.integer(generation)
        writer.integer(reasonCode)
        writer.boolean(publishWill)
        writer.boolean(sessionExpiry != nil)
        writer.integer(sessionExpiry ?? 0)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        slot = try reader.integer()
        generation = try reader.integer()
        reasonCode = try reader.integer()
        publishWill = try reader.boolean()
        let changes = try reader.boolean()
        let expiry: UInt32 = try reader.integer()
        sessionExpiry = changes ? expiry : nil
    }
}

/// The router ends a connection: taken over, kicked, not allowed. The listener tells the client and closes; it does not
/// report the end back with a will, the router knows.
package struct DismissFrame: Frame, Equatable {
    package static let type = FrameType.dismiss
    package var slot: UInt32
    package var generation: UInt32
    package var reasonCode: UInt8

    package init(slot: UInt32, generation: UInt32, reasonCode: UInt8) {
        self.slot = slot
        self.generation = generation
        self.reasonCode = reasonCode
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(slot)
        writer.integer(generation)
        writer.integer(reasonCode)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        slot = try reader.integer()
        generation = try reader.integer()
        reasonCode = try reader.integer()
    }
}
