// Frames about subscriptions.

/// SUBSCRIBE; listener → router. Answered by `SubackFrame`.
package struct SubscribeFrame: Frame, Equatable {
    package static let type = FrameType.subscribe

    package struct Item: Equatable, Sendable {
        package var filter: [UInt8]
        /// As in MQTT 5: QoS in bits 0 and 1, no local 2, retain as published 3, retain handling 4 and 5.
        package var options: UInt8

        package init(filter: [UInt8], options: UInt8) {
            self.filter = filter
            self.options = options
        }

        static func write(_ items: [Item], to writer: inout FrameWriter) {
            writer.integer(UInt32(items.count))
            for item in items {
                writer.integer(item.options)
                writer.blob(item.filter)
            }
        }

        static func read(from reader: inout FrameReader) throws(FrameError) -> [Item] {
            var items: [Item] = []
            for _ in 0..<(try reader.count(ofItemsOf: 5)) {
                let options: UInt8 = try reader.integer()
                items.append(Item(filter: try reader.blob(), options: options))
            }
            return items
        }
    }

    package var slot: UInt32
    package var generation: UInt32
    package var packetIdentifier: UInt16
    /// The subscription identifier, 1...268,435,455; 0: none.
    package var identifier: UInt32
    package var items: [Item]

    package init(slot: UInt32, generation: UInt32, packetIdentifier: UInt16, identifier: UInt32, items: [Item]) {
        self.slot = slot
        self.generation = generation
        self.packetIdentifier = packetIdentifier
        self.identifier = identifier
        self.items = items
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(slot)
        writer.integer(generation)
        writer.integer(packetIdentifier)
        writer.integer(identifier)
        Item.write(items, to: &writer)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        slot = try reader.integer()
        generation = try reader.integer()
        packetIdentifier = try reader.integer()
        identifier = try reader.integer()
        items = try Item.read(from: &reader)
    }
}

/// UNSUBSCRIBE; listener → router. Answered by `UnsubackFrame`.
package struct UnsubscribeFrame: Frame, Equatable {
    package static let type = FrameType.unsubscribe
    package var slot: UInt32
    package var generation: UInt32
    package var packetIdentifier: UInt16
    package var filters: [[UInt8]]

    package init(slot: UInt32, generation: UInt32, packetIdentifier: UInt16, filters: [[UInt8]]) {
        self.slot = slot
        self.generation = generation
        self.packetIdentifier = packetIdentifier
        self.filters = filters
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(slot)
        writer.integer(generation)
        writer.integer(packetIdentifier)
        writer.blobs(filters)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        slot = try reader.integer()
        generation = try reader.integer()
        packetIdentifier = try reader.integer()
        filters = try reader.blobs()
    }
}

/// The router's answer to SUBSCRIBE: a reason code for each filter.
package struct SubackFrame: Frame, Equatable {
    package static let type = FrameType.suback
    package var slot: UInt32
    package var generation: UInt32
    package var packetIdentifier: UInt16
    package var reasonCodes: [UInt8]
    /// The subscription identifier; 0: none.
    package var identifier: UInt32
    /// What was granted, if the session ends with its connection: the listener keeps it for the next router. Else empty.
    package var items: [SubscribeFrame.Item]

    package init(
        slot: UInt32, generation: UInt32, packetIdentifier: UInt16, reasonCodes: [UInt8], identifier: UInt32,
        items: [SubscribeFrame.Item]
    ) {
        self.slot = slot
        self.generation = generation
        self.packetIdentifier = packetIdentifier
        self.reasonCodes = reasonCodes
        self.identifier = identifier
        self.items = items
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(slot)
        writer.integer(generation)
        writer.integer(packetIdentifier)
        writer.blob(reasonCodes)
        writer.integer(identifier)
        SubscribeFrame.Item.write(items, to: &writer)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        slot = try reader.integer()
        generation = try reader.integer()
        packetIdentifier = try reader.integer()
        reasonCodes = try reader.blob()
        identifier = try reader.integer()
        items = try SubscribeFrame.Item.read(from: &reader)
    }
}

/// The router's answer to UNSUBSCRIBE: a reason code for each filter.
package struct UnsubackFrame: Frame, Equatable {
    package static let type = FrameType.unsuback
    package var slot: UInt32
    package var generation: UInt32
    package var packetIdentifier: UInt16
    package var reasonCodes: [UInt8]
    /// What the listener need not keep any more, if the session ends with its connection; else empty.
    package var filters: [[UInt8]]

    package init(
        slot: UInt32, generation: UInt32, packetIdentifier: UInt16, reasonCodes: [UInt8], filters: [[UInt8]]
    ) {
        self.slot = slot
        self.generation = generation
        self.packetIdentifier = packetIdentifier
        self.reasonCodes = reasonCodes
        self.filters = filters
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(slot)
        writer.integer(generation)
        writer.integer(packetIdentifier)
        writer.blob(reasonCodes)
        writer.blobs(filters)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        slot = try reader.integer()
        generation = try reader.integer()
        packetIdentifier = try reader.integer()
        reasonCodes = try reader.blob()
        filters = try reader.blobs()
    }
}
