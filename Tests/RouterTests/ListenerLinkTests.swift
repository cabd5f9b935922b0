// The framing of what goes to a listener: batches that parse back, whatever was moved meanwhile.

import EventLoop
import Messages
import Testing

@testable import Router

@Suite struct ListenerLinkTests {
    @Test func batchesHoldWhatWasAppended() throws {
        let seed: UInt64 = 31
        var random = SeededGenerator(seed: seed)
        var link = try ListenerLink(packetSize: 1024)
        var sent: [UInt8] = []
        var frames: [[UInt8]] = []
        var acknowledgements: [UInt64] = []
        for _ in 0..<200 {
            for _ in 0..<random.below(6) {
                let frame = Fault(worker: 1, what: String(repeating: "x", count: random.below(300))).encoded()
                link.append(frame)
                frames.append(frame)
            }
            for _ in 0..<random.below(3) {
                let entry = SlotEntry(word: random.next())
                link.acknowledge(entry)
                acknowledgements.append(entry.word)
            }
            link.handled += UInt64(random.below(3))
            link.closeBatch()
            sent += take(&link, random.below(2000))
        }
        sent += take(&link, .max)
        #expect(UInt64(sent.count) == link.produced)
        let parsed = try batches(sent)
        #expect(parsed.flatMap(\.frames).filter { $0[4] != FrameType.acknowledge.rawValue } == frames, "seed \(seed)")
        #expect(parsed.flatMap { entries($0.frames) } == acknowledgements, "seed \(seed)")
        #expect(parsed.last?.answers == link.handled)
        #expect(zip(parsed, parsed.dropFirst()).allSatisfy { $0.answers <= $1.answers })
        // Only a batch that answers something new may be empty.
        for (former, batch) in zip(parsed, parsed.dropFirst()) where batch.frames.isEmpty {
            #expect(batch.answers > former.answers)
        }
        link.input.release()
        link.output.release()
    }

    @Test func nothingToSayIsNoBatch() throws {
        var link = try ListenerLink(packetSize: 1024)
        link.closeBatch()
        #expect(link.produced == 0)
        link.handled = 9
        link.closeBatch()
        link.closeBatch()
        #expect(link.produced == UInt64(BatchFrame.byteCount))
        let sent = take(&link, .max)
        #expect(try batches(sent).map(\.answers) == [9])
        link.input.release()
        link.output.release()
    }

    @Test func anOpenBatchMovesWithItsBytes() throws {
        var link = try ListenerLink(packetSize: 1024)
        let large = Fault(worker: 0, what: String(repeating: "y", count: 8 << 20)).encoded()
        let small = Fault(worker: 2, what: "z").encoded()
        var sent: [UInt8] = []
        // Eight fit; each round takes a part away, so that the region's end is reached within an open batch.
        for round in 0..<12 {
            link.append(small)
            if round >= 6 { sent += take(&link, large.count) }
            link.append(large)
            if round % 3 == 2 { link.closeBatch() }
        }
        #expect(link.outputStart < large.count)
        link.closeBatch()
        sent += take(&link, .max)
        let frames = try batches(sent).flatMap(\.frames)
        #expect(frames.count == 24)
        for (index, frame) in frames.enumerated() where frame != (index % 2 == 0 ? small : large) {
            Issue.record("frame \(index) has changed")
        }
        link.input.release()
        link.output.release()
    }

    @Test func thereIsRoomUpToTheWindow() throws {
        var link = try ListenerLink(packetSize: 1024)
        #expect(link.hasRoom)
        link.produced = ListenerLink.window
        #expect(!link.hasRoom)
        link.consumed = 1
        #expect(link.hasRoom)
        #expect(!link.isOpen)
        link.input.release()
        link.output.release()
    }

    @Test(arguments: [0, 1024, 8 << 20, 256 << 20])
    func theRegionsHoldTheLargestFrame(_ packetSize: Int) throws {
        let link = try ListenerLink(packetSize: packetSize)
        #expect(link.input.byteCount >= packetSize + PublishFrame.headByteCount + 2 * ListenerLink.receiveSize)
        #expect(link.output.byteCount >= 2 * (packetSize + Int(ListenerLink.window)))
        link.input.release()
        link.output.release()
    }

    /// Bytes of whole batches that "the socket takes".
    private func take(_ link: inout ListenerLink, _ most: Int) -> [UInt8] {
        let end = link.batch >= 0 ? link.batch : link.outputEnd
        let count = min(most, end - link.outputStart)
        defer { link.outputStart += count }
        return link.output.span(link.outputStart, count).array
    }
}
