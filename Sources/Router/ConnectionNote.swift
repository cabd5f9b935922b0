// What a listener keeps of a connection for the next router, which it does not understand.

import Messages

struct ConnectionNote: Equatable {
    /// How far the client was given what waits for it; empty: nothing waits.
    var given: [StreamMark] = []
    /// What new subscriptions have not got of the retained messages, in order. Of the first, the connection's list has
    /// what it has got: the hashes of the topics.
    var replays: [Replay] = []
    /// The seed of those hashes.
    var seed: UInt64 = 0

    struct Replay: Equatable {
        var filter: [UInt8]
        var qos: UInt8
        var properties: [UInt8]
    }

    init() {}

    /// - Returns: nothing where it says nothing.
    func encoded() -> [UInt8] {
        guard !given.isEmpty || !replays.isEmpty else { return [] }
        var writer = FrameWriter(.note)
        writer.integer(UInt32(given.count))
        for mark in given {
            writer.integer(mark.place)
            writer.integer(mark.offset)
        }
        writer.integer(seed)
        writer.integer(UInt32(replays.count))
        for replay in replays {
            writer.integer(replay.qos)
            writer.blob(replay.filter)
            writer.blob(replay.properties)
        }
        return writer.finish()
    }

    init(_ bytes: [UInt8]) throws(FrameError) {
        guard !bytes.isEmpty else { return }
        var reader = FrameReader(bytes.span.raw)
        for _ in 0..<(try reader.count(ofItemsOf: 12)) {
            given.append(StreamMark(place: try reader.integer(), offset: try reader.integer()))
        }
        seed = try reader.integer()
        for _ in 0..<(try reader.count(ofItemsOf: 9)) {
            let qos: UInt8 = try reader.integer()
            replays.append(Replay(filter: try reader.blob(), qos: qos, properties: try reader.blob()))
        }
    }
}
