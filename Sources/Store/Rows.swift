// What the store keeps, as values. The router makes them and gets them back; their meaning is its own.

/// A durable session.
package struct StoredSession: Equatable, Sendable {
    /// Below 2²³.
    package var number: UInt32
    package var clientIdentifier: [UInt8]
    /// The protocol's version byte.
    package var version: UInt8
    /// Seconds that the session outlives its connection; `.max`: for ever.
    package var expiryInterval: UInt32
    /// Seconds of the store's clock; 0: connected. What does not end is far away.
    package var expiresAt: UInt64
    /// Opaque; empty: none.
    package var will: [UInt8]
    /// Seconds of the store's clock; 0: none.
    package var willAt: UInt64
    /// When its last connection was accepted, in nanoseconds since 1970; 0: unknown.
    package var acceptedAt: UInt64

    package init(
        number: UInt32, clientIdentifier: [UInt8], version: UInt8, expiryInterval: UInt32, expiresAt: UInt64 = 0,
        will: [UInt8] = [], willAt: UInt64 = 0, acceptedAt: UInt64 = 0
    ) {
        self.acceptedAt = acceptedAt
        self.number = number
        self.clientIdentifier = clientIdentifier
        self.version = version
        self.expiryInterval = expiryInterval
        self.expiresAt = expiresAt
        self.will = will
        self.willAt = willAt
    }
}

/// A subscription of a durable session.
package struct StoredSubscription: Equatable, Sendable {
    package var session: UInt32
    package var filter: [UInt8]
    /// The options byte of SUBSCRIBE; opaque.
    package var options: UInt8
    /// 0: none.
    package var identifier: UInt32

    package init(session: UInt32, filter: [UInt8], options: UInt8, identifier: UInt32) {
        self.session = session
        self.filter = filter
        self.options = options
        self.identifier = identifier
    }
}

/// How far the stream of a listener is in the store.
package struct StoredMark: Equatable, Sendable {
    /// The listener's place.
    package var place: UInt32
    /// Up to this offset of the stream.
    package var bytes: UInt64

    package init(place: UInt32, bytes: UInt64) {
        self.place = place
        self.bytes = bytes
    }
}

/// Messages of another broker of a cluster that have come.
package struct StoredSeen: Equatable, Sendable {
    package var number: UInt32
    /// The broker's name.
    package var node: [UInt8]
    /// How many have come of it, these included.
    package var count: UInt64
    /// Opaque.
    package var items: [UInt8]

    package init(number: UInt32, node: [UInt8], count: UInt64, items: [UInt8]) {
        self.number = number
        self.node = node
        self.count = count
        self.items = items
    }
}

/// A packet identifier of a QoS 2 message that a session has sent and not yet released.
package struct StoredReceived: Hashable, Sendable {
    package var session: UInt32
    package var packetIdentifier: UInt16

    package init(session: UInt32, packetIdentifier: UInt16) {
        self.session = session
        self.packetIdentifier = packetIdentifier
    }
}

/// How the bytes of a message divide: topic, payload and properties lie one behind the other.
package struct MessageHead: Equatable, Sendable {
    package var topicLength: UInt16
    package var propertiesLength: UInt32
    /// Seconds of the store's clock; 0: never.
    package var expiresAt: UInt64

    package init(topicLength: UInt16, propertiesLength: UInt32, expiresAt: UInt64 = 0) {
        self.topicLength = topicLength
        self.propertiesLength = propertiesLength
        self.expiresAt = expiresAt
    }
}

/// What a queue's entry says beside its message.
package struct EntryHead: Equatable, Sendable {
    package var qos: UInt8
    /// Opaque.
    package var flags: UInt8
    /// 0: none yet.
    package var packetIdentifier: UInt16
    /// Opaque.
    package var stage: UInt8

    package init(qos: UInt8, flags: UInt8 = 0, packetIdentifier: UInt16 = 0, stage: UInt8 = 0) {
        self.qos = qos
        self.flags = flags
        self.packetIdentifier = packetIdentifier
        self.stage = stage
    }
}

/// What lies in a session's queue.
package struct Backlog: Equatable, Sendable {
    package var session: UInt32
    package var messages: UInt64
    /// Of topic, payload and properties.
    package var bytes: UInt64
    package var firstSequence: UInt64
    package var lastSequence: UInt64
}

/// What a `trim` removed.
package struct Trimmed: Equatable, Sendable {
    package var session: UInt32
    package var messages: UInt64
    package var bytes: UInt64
}
