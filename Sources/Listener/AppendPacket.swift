// Puts whole packets into a connection's output, framed as its transport wants it.

import Arena
import Connection
import MQTT
import Messages
import WebSocket

extension Listener {
    /// Appends an encoded MQTT packet.
    mutating func appendPacket(_ slot: Int, _ packet: [UInt8]) {
        count(.answersSent)
        if transport(slot) == .mqtt {
            appendBytes(slot, packet)
        } else {
            appendMessage(slot, .binary, packet)
        }
    }

    /// Appends one WebSocket message of one frame.
    mutating func appendMessage(_ slot: Int, _ opcode: Opcode, _ payload: [UInt8]) {
        let head = FrameHeader.encodedLength(payload: payload.count)
        guard var span = arena.appendOutput(slot, head + payload.count) else { return exhausted(slot) }
        let start = FrameHeader.write(opcode: opcode, length: payload.count, to: &span, at: 0)
        span.copy(payload.span.raw, at: start)
        markDirty(slot)
    }

    /// Appends bytes as they are.
    mutating func appendBytes(_ slot: Int, _ bytes: [UInt8]) {
        guard var span = arena.appendOutput(slot, bytes.count) else { return exhausted(slot) }
        span.copy(bytes.span.raw, at: 0)
        markDirty(slot)
    }
}
