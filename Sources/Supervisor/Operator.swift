// One connection of apusctl: bytes in, bytes out, and the request under way. It makes no decision; ControlServer.swift
// serves it.

internal import Control
internal import Glibc

final class Operator {
    /// What waits for the router.
    enum Job {
        /// Rows of `clients` are still wanted: how many, and from where.
        case clients(left: Int, cursor: UInt32)
        case kick(clientID: String)
        /// Places that are to be replaced, by their numbers; the first is under way.
        case restart(places: [UInt32])
        /// The end of a roll.
        case upgrade
        /// What a newer program shows.
        case reload
    }

    /// Unsent bytes beyond which no more rows are fetched.
    static let outputMark = 256 << 10

    let number: UInt32
    let descriptor: Int32
    var decoder = RequestDecoder()
    var job: Job?
    /// The query that the router was asked for the job.
    var query: UInt32?
    /// Whether it sends no more requests: the connection ends with the last answer.
    var isEnding = false
    private var output: [UInt8] = []
    private var sent = 0

    init(number: UInt32, descriptor: Int32) {
        self.number = number
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    var unsent: Int { output.count - sent }

    func answer(_ response: Response) { output += encode(response) }

    /// Sends what the socket takes.
    /// - Returns: false where the other end is gone.
    func flush() -> Bool {
        while sent < output.count {
            // The pointer is to the rest of the output, whose size the call is told.
            let count = unsafe output[sent...].withUnsafeBytes { rest in
                unsafe send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                if errno == EINTR { continue }
                return errno == EAGAIN
            }
            sent += count
        }
        output.removeAll(keepingCapacity: output.capacity <= Self.outputMark)
        sent = 0
        return true
    }

    /// Reads once.
    /// - Returns: false where nothing more will come.
    func read(into buffer: inout [UInt8]) -> Bool {
        // The call is told the buffer's size.
        let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return count < 0 && (errno == EAGAIN || errno == EINTR) }
        decoder.receive(buffer.span.extracting(first: count))
        return true
    }
}
