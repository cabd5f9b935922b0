// A frame that has ended one router after the other while it was handled anew: it is left out, and costs its connection.

import EventLoop
import Journal
import MQTT
import Messages

extension Router {
    /// Leaves out a frame of a former router's, says so with its bytes, and ends the connection that it came from.
    mutating func skip(_ link: Int, _ frame: RawSpan, _ header: FrameHead) {
        count(.framesSkipped)
        let shown = frame.extracting(0..<min(frame.byteCount, 64)).array
        let digits = shown.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
        // Acknowledgements are of many connections: what they were for is sent again, or waits until its session ends.
        guard header.type != .acknowledge, frame.byteCount >= 24 else {
            return Journal.log(.frameSkipped, [.clientID: "-", .bytes: digits])
        }
        let slot = frame.load32(at: FrameHead.byteCount)
        let generation = frame.load32(at: header.type == .publish ? 20 : 12)
        let number = session(link, slot, generation)
        Journal.log(.frameSkipped, [.bytes: digits], of: number.map { client($0) } ?? [.clientID: "-"])
        if let number { return dismiss(number, .implementationSpecificError) }
        let dismissal = DismissFrame(
            slot: slot, generation: generation, reasonCode: ReasonCode.implementationSpecificError.rawValue)
        links[link].append(dismissal.encoded())
        links[link].isTouched = true
    }
}
