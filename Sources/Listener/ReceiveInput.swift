// Takes the input of one connection: a step. What arrives is put behind the leftover of last time and handled as far as
// it is complete; the rest is the next leftover.
//
// A short leftover is copied in front of what is read, so that packets lie in one piece. A long one (a large packet
// under way) stays in its buffer and is read on to, so that a megabyte is not copied for every piece that arrives.

import Arena
import CArena
import Connection
import EventLoop
import MQTT
import Messages

/// How far the input was handled.
struct Progress {
    /// Bytes that are done with.
    var consumed = 0
    /// Bytes that the packet behind them will have, as far as known.
    var needed = 0
}

extension Listener {
    /// The socket is readable.
    mutating func receiveInput(_ slot: Int) {
        switch state(slot) {
        case .handshake, .awaitingConnect, .connecting, .connected, .authenticating, .challenged:
            step(slot, reading: true)
        case .closing, .lingering:
            discardInput(slot)
        case .free, .departing:
            break
        }
    }

    /// Handles a leftover that had to wait.
    mutating func reconsiderInput(_ slot: Int) {
        if arena[slot].input_length > 0 || arena[slot].raw_length > 0 { step(slot, reading: false) }
    }

    @inline(__always)
    private mutating func step(_ slot: Int, reading: Bool) {
        arena.beginStep(slot)
        acknowledgements.count = 0
        if settings.transport == .mqtt {
            takeStream(slot, reading: reading)
        } else {
            takeWebSocket(slot, reading: reading)
        }
        arena.endStep()
    }

    /// MQTT directly on the stream.
    @inline(__always)
    private mutating func takeStream(_ slot: Int, reading: Bool) {
        let leftover = Int(arena[slot].input_length)
        guard leftover <= Arena.smallLeftover else { return takeLargePacket(slot, leftover, reading: reading) }
        if leftover > 0 {
            var front = arena.mutableRaw(0, leftover)
            front.copy(arena.input(slot, 0, leftover), at: 0)
        }
        var count = leftover
        if reading {
            arena.willRead(rawFrom: leftover)
            var room = arena.mutableRaw(leftover, Arena.receiveSize)
            guard let received = read(slot, into: &room) else { return }
            count += received
        }
        let bytes = arena.raw(0, count)
        let progress = parsePackets(slot, bytes)
        guard state(slot).isOpen else { return }
        if progress.consumed == count {
            if leftover > 0 { arena.clearInput(slot) }
        } else {
            keep(slot, bytes.extracting(progress.consumed..<count), RawSpan(), progress.needed)
        }
    }

    /// A packet longer than the scratch region is good for.
    @inline(never)
    private mutating func takeLargePacket(_ slot: Int, _ leftover: Int, reading: Bool) {
        var count = leftover
        if reading {
            guard growInput(slot, leftover, by: 1) else { return exhausted(slot) }
            arena.willRead(inputFrom: leftover, slot: slot)
            var room = arena.mutableInput(slot, leftover, arena.inputBuffer(slot).capacity - leftover)
            guard let received = read(slot, into: &room) else { return }
            count += received
            arena[slot].input_length = UInt32(count)
        }
        let bytes = arena.input(slot, 0, count)
        let progress = parsePackets(slot, bytes)
        guard state(slot).isOpen, progress.consumed > 0 else { return }
        keep(slot, bytes.extracting(progress.consumed..<count), RawSpan(), progress.needed)
    }

    /// Makes room behind a long leftover: twice as much, until the packet's length is reached.
    mutating func growInput(_ slot: Int, _ leftover: Int, by count: Int) -> Bool {
        let buffer = arena.inputBuffer(slot)
        if buffer.exists, buffer.capacity >= leftover + count { return true }
        return arena.replaceInput(
            slot, keeping: arena.input(slot, 0, leftover), capacity: max(2 * leftover, leftover + count))
    }

    /// Keeps what is left for next time.
    mutating func keep(_ slot: Int, _ plain: RawSpan, _ raw: RawSpan, _ needed: Int) {
        // Memory is not reserved on a client's word: at most four times what has arrived.
        let capacity = min(needed, 4 * (plain.byteCount + raw.byteCount))
        if !arena.keepInput(slot, plain: plain, raw: raw, capacity: capacity) { exhausted(slot) }
    }

    /// Reads from the socket.
    /// - Returns: bytes; `nil` where there were none, or the connection has ended (which was handled).
    @inline(__always)
    mutating func read(_ slot: Int, into room: inout MutableRawSpan) -> Int? {
        switch receive(sockets[slot].descriptor, into: &room) {
        case .bytes(let count):
            arena[slot].received &+= UInt64(truncatingIfNeeded: count)
            if settings.transport == .mqtt { arena[cold: slot].last_input = clock.tenths }
            self.count(.bytesReceived, by: count)
            return count
        case .wouldBlock:
            return nil
        case .ended:
            close(slot, .unspecifiedError, tellClient: false, detail: "the client closed the connection")
            return nil
        case .failed(let code):
            close(slot, .unspecifiedError, tellClient: false, detail: errorText(code))
            return nil
        }
    }

    /// Our side has ended: reads only to see the peer end too.
    private mutating func discardInput(_ slot: Int) {
        var room = arena.mutableRaw(0, Arena.receiveSize)
        switch receive(sockets[slot].descriptor, into: &room) {
        case .bytes, .wouldBlock: break
        case .ended, .failed: finish(slot)
        }
    }
}
