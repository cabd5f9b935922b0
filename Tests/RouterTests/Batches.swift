// Reads what the router sends a listener as the listener does.

import Messages
import Testing

struct Batch {
    var answers: UInt64
    var frames: [[UInt8]]
}

/// Takes whole batches apart; fails where the bytes are not exactly that.
func batches(_ stream: [UInt8]) throws -> [Batch] {
    var batches: [Batch] = []
    var position = 0
    while position < stream.count {
        let head = try #require(try BatchFrame.read(stream.span.raw, at: position))
        position += BatchFrame.byteCount
        let end = position + head.length
        try #require(end <= stream.count)
        var frames: [[UInt8]] = []
        while position < end {
            let frame = try #require(try FrameHead.read(stream.span.raw, at: position))
            try #require(position + frame.length <= end)
            frames.append(Array(stream[position..<(position + frame.length)]))
            position += frame.length
        }
        batches.append(Batch(answers: head.answers, frames: frames))
    }
    return batches
}

/// The entries of the Acknowledge frames among `frames`.
func entries(_ frames: [[UInt8]]) -> [UInt64] {
    frames.filter { $0[4] == FrameType.acknowledge.rawValue }.flatMap { frame in
        stride(from: FrameHead.byteCount, to: frame.count, by: 8).map { frame.span.raw.load64(at: $0) }
    }
}
