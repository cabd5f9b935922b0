// What a broker of a cluster wants of the others.

/// Topic filters that clients have subscribed to, or do not any more; router → bridge, in a cluster. Those of shared
/// subscriptions stand without `$share` and the share name.
package struct InterestsFrame: Frame, Equatable {
    package static let type = FrameType.interests

    package struct Item: Equatable, Sendable {
        package var filter: [UInt8]
        package var isWanted: Bool

        package init(filter: [UInt8], isWanted: Bool) {
            self.filter = filter
            self.isWanted = isWanted
        }
    }

    /// The first of a router's: what is not named from here to `isWhole` is not wanted any more.
    package var begins: Bool
    /// Everything has been named; what follows are changes.
    package var isWhole: Bool
    package var items: [Item]

    package init(begins: Bool, isWhole: Bool, items: [Item]) {
        self.begins = begins
        self.isWhole = isWhole
        self.items = items
    }
    package func write(to writer: inout FrameWriter) {
        writer.boolean(begins)
        writer.boolean(isWhole)
        writer.integer(UInt32(items.count))
        for item in items {
            writer.boolean(item.isWanted)
            writer.blob(item.filter)
        }
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        begins = try reader.boolean()
        isWhole = try reader.boolean()
        items = []
        for _ in 0..<(try reader.count(ofItemsOf: 5)) {
            let isWanted = try reader.boolean()
            items.append(Item(filter: try reader.blob(), isWanted: isWanted))
        }
    }
}
