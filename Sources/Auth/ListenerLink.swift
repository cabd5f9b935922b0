// A channel to a listener: whole frames in, answers out. Who reads and writes it is HearListeners.swift.

internal import EventLoop
internal import Glibc
internal import Messages

final class ListenerLink {
    /// A request carries a few strings of MQTT's: what is longer is none. Bytes.
    static let longestFrame = 512 << 10
    /// While so many bytes wait for a listener nothing is read from it.
    static let outputMark = 256 << 10

    let descriptor: Int32
    let serial: UInt32
    /// The listener's place.
    let worker: UInt32
    let name: String
    var hasGreeted = false
    var interest = Poller.Interest.readable
    private var incoming: [UInt8] = []
    private var outgoing: [UInt8] = []

    init(descriptor: Int32, _ offer: ChannelOffer) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        self.descriptor = descriptor
        serial = offer.serial
        worker = offer.peerWorker
        name = offer.peerName
    }

    deinit { close(descriptor) }

    /// What the poller is to watch.
    var wanted: Poller.Interest {
        outgoing.isEmpty ? .readable : outgoing.count < Self.outputMark ? [.readable, .writable] : .writable
    }

    func say(_ frame: some Frame) { outgoing += frame.encoded() }

    /// Sends what the socket takes.
    /// - Returns: false where the other end is gone.
    func flush() -> Bool {
        while !outgoing.isEmpty {
            switch send(descriptor, outgoing.span.raw) {
            case .bytes(let count): outgoing.removeFirst(count)
            case .wouldBlock: return true
            case .ended, .failed: return false
            }
        }
        return true
    }

    /// Reads what has arrived.
    /// - Returns: false at the end.
    func read() -> Bool {
        var room = [UInt8](repeating: 0, count: 64 << 10)
        var span = room.mutableSpan
        var bytes = unsafe span.mutableBytes
        switch receive(descriptor, into: &bytes) {
        case .bytes(let count):
            incoming += room[..<count]
            return true
        case .wouldBlock: return true
        case .ended, .failed: return false
        }
    }

    /// The next whole frame; nil: there is none.
    /// - Throws: where what has arrived is no frame of a listener.
    func next() throws(FrameError) -> [UInt8]? {
        let bytes = incoming
        guard let head = try FrameHead.read(bytes.span.raw, at: 0) else { return nil }
        guard head.length <= Self.longestFrame else { throw FrameError("a frame longer than any request") }
        guard incoming.count >= head.length else { return nil }
        incoming.removeFirst(head.length)
        return Array(bytes[..<head.length])
    }
}
