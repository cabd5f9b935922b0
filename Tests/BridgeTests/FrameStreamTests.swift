import Messages
import Testing

@testable import Bridge

@Suite struct FrameStreamTests {
    /// What a channel is given now, as far as it takes it.
    static func taken(_ stream: inout FrameStream, most: Int = .max) -> [UInt8] {
        var bytes: [UInt8] = []
        stream.send { span in
            let count = min(span.byteCount, most)
            bytes = span.extracting(0..<count).array
            return count
        }
        return bytes
    }

    static func frame(_ offset: UInt64) -> [UInt8] { ConsumedFrame(offset: offset).encoded() }

    /// Against a list of frames with their offsets.
    @Test(arguments: 0..<20) func aRandomHistory(_ seed: Int) throws {
        let start: UInt64 = 1_000_000
        var stream = FrameStream(start: start)
        var frames: [(offset: UInt64, bytes: [UInt8])] = []
        var (end, base, sent) = (start, start, start)
        for round in 0..<3000 {
            switch Int.random(in: 0..<6) {
            case 0, 1:
                let frame = Self.frame(UInt64(round))
                frames.append((end, frame))
                stream.append(frame)
                end += UInt64(frame.count)
            case 2:
                let most = Int.random(in: 0..<60)
                let all = frames.flatMap(\.bytes)
                let expected = all[Int(sent - base)...].prefix(most)
                let bytes = Self.taken(&stream, most: most)
                #expect(bytes == Array(expected))
                sent += UInt64(bytes.count)
            case 3:
                guard let frame = frames.randomElement() else { continue }
                let isReleased = stream.release(below: frame.offset)
                #expect(isReleased)
                frames.removeAll { $0.offset < frame.offset }
                base = frame.offset
                sent = max(sent, base)
            case 4:
                guard let index = frames.indices.randomElement() else { continue }
                let isDeferred = Bool.random()
                try stream.mark(frames[index].offset, isDeferred: isDeferred)
                frames[index].bytes[FrameHead.flagsOffset] = isDeferred ? FrameHead.deferred : 0
            default:
                guard Int.random(in: 0..<50) == 0 else { continue }
                stream.rewind()
                sent = base
            }
            #expect(stream.end == end && stream.base == base && stream.hasUnsent == (sent < end))
        }
    }

    @Test func whatWasNeverSaidCanNotBeAnswered() {
        var stream = FrameStream(start: 10)
        stream.append(Self.frame(0))
        let end = stream.end
        let isReleased = stream.release(below: end + 1)
        #expect(!isReleased)
        #expect(throws: FrameError.self) { try stream.mark(end, isDeferred: true) }
        // Of what is safe nobody asks.
        #expect(throws: Never.self) { try stream.mark(0, isDeferred: true) }
    }
}
