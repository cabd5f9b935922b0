// What was said to the router and is not safe yet: frames with the offsets that they have in a stream that outlives routers,
// to be said again to the next one (docs/protocol/data.md, "When the router is another one"). A value.

internal import Messages

struct FrameStream {
    /// From `head` on: the bytes from offset `base` on.
    private var bytes: [UInt8] = []
    private var head = 0
    /// Below it everything is safe, whatever dies.
    private(set) var base: UInt64
    /// What this channel was given already.
    private var sent: UInt64

    /// - Parameter start: behind all that streams of this place had before.
    init(start: UInt64) {
        base = start
        sent = start
    }

    /// The offset of the next frame.
    var end: UInt64 { base + UInt64(bytes.count - head) }

    mutating func append(_ frame: [UInt8]) { bytes += frame }

    /// Another channel: everything that is kept is to be sent.
    mutating func rewind() { sent = base }

    /// - Returns: false where the router can not have said so.
    mutating func release(below offset: UInt64) -> Bool {
        guard offset <= end else { return false }
        guard offset > base else { return true }
        head += Int(offset - base)
        base = offset
        sent = max(sent, base)
        if head == bytes.count {
            bytes.removeAll(keepingCapacity: bytes.capacity <= 1 << 20)
            head = 0
        } else if head >= 1 << 16, head * 2 >= bytes.count {
            bytes.removeFirst(head)
            head = 0
        }
        return true
    }

    /// Notes of the frame that begins at an offset whether its answer waits, so that the next router knows.
    mutating func mark(_ offset: UInt64, isDeferred: Bool) throws(FrameError) {
        // Of what is safe nobody asks.
        guard offset >= base else { return }
        guard offset + UInt64(FrameHead.byteCount) <= end else {
            throw FrameError("a mark on a frame that was never sent")
        }
        let place = head + Int(offset - base) + FrameHead.flagsOffset
        bytes[place] = isDeferred ? bytes[place] | FrameHead.deferred : bytes[place] & ~FrameHead.deferred
    }

    /// Gives `body` what is to be sent; it returns how much of it was.
    mutating func send(_ body: (RawSpan) -> Int) {
        let bytes = bytes
        let start = head + Int(sent - base)
        guard start < bytes.count else { return }
        let span = bytes.span
        sent += UInt64(body(span.raw.extracting(start..<bytes.count)))
    }

    var hasUnsent: Bool { sent < end }
}
