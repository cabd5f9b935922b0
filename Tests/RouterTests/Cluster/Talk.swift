import Messages
import Testing

@testable import Router

/// What brokers of a cluster say to each other, as the bridge on link 1 of a bench has it.
enum Talk {
    /// Payloads of what the router says below a topic.
    static func said(_ bench: inout RouterBench, _ topic: [UInt8]) throws -> [[UInt8]] {
        try all(&bench).filter { $0.topic == topic }.map(\.payload)
    }

    /// All that the router gives the bridge, acknowledged.
    static func all(_ bench: inout RouterBench) throws -> [(topic: [UInt8], payload: [UInt8])] {
        var found: [(topic: [UInt8], payload: [UInt8])] = []
        while true {
            let frames = bench.hear(1).filter { $0[4] == FrameType.deliver.rawValue }
            if frames.isEmpty { return found }
            for bytes in frames {
                let head = try #require(try FrameHead.read(bytes.span.raw, at: 0))
                let frame = try DeliverFrame(bytes.span.raw, at: 0, head)
                let start = DeliverFrame.headByteCount
                let end = start + frame.topicLength
                found.append((Array(bytes[start..<end]), Array(bytes[end..<(end + frame.payloadLength)])))
                let recipient = SlotEntry(word: bytes.span.raw.load64(at: frame.recipientsOffset))
                bench.acknowledge(1, 4, 1, recipient.packetIdentifier)
            }
        }
    }
}
