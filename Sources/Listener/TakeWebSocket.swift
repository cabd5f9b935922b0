// The input of a WebSocket port: the handshake, then frames taken apart into a plain stream, which is MQTT or JSON.
//
// What was received lies in the raw region and is copied, unmasked, into the plain one: so the step could be done again
// from what arrived. The leftover is plain bytes (an incomplete packet or message) with raw ones behind them.

import Arena
import CArena
import Connection
import EventLoop
import MQTT
import Messages
import WebSocket

extension Listener {
    /// Handles the input of a WebSocket connection.
    mutating func takeWebSocket(_ slot: Int, reading: Bool) {
        let plain = Int(arena[slot].input_length)
        let raw = Int(arena[slot].raw_length)
        if raw > 0 {
            var front = arena.mutableRaw(0, raw)
            front.copy(arena.input(slot, plain, raw), at: 0)
        }
        // From here on the leftover may be written over where it lay.
        arena.willRead(rawFrom: raw)
        var count = raw
        if reading, raw <= Arena.smallLeftover {
            var room = arena.mutableRaw(raw, Arena.receiveSize)
            guard let received = read(slot, into: &room) else { return }
            count += received
        }
        if state(slot) == .handshake { return takeHandshake(slot, count) }
        takeFrames(slot, plainLength: plain, rawLength: count)
    }

    // MARK: handshake

    private mutating func takeHandshake(_ slot: Int, _ count: Int) {
        let bytes = arena.raw(0, count)
        let policy = HandshakePolicy(
            origins: settings.origins, hosts: settings.hosts, isLoopback: settings.boundToLoopback)
        let outcome = Handshake.read(bytes, policy: policy, limit: Int(settings.httpRequest))
        switch outcome {
        case .incomplete:
            keep(slot, RawSpan(), bytes, 0)
        case .upgrade(let upgrade):
            appendBytes(slot, outcome.response())
            if upgrade.isForwarded { arena[slot].flags |= SlotFlags.forwarded }
            arena[slot].state = ConnectionState.awaitingConnect.rawValue
            arena[slot].transport =
                upgrade.subprotocol == .json ? Transport.webSocketJSON.rawValue : Transport.webSocketMQTT.rawValue
            arena[cold: slot].last_input = clock.tenths
            arena[cold: slot].last_ping = clock.tenths
            arena.clearInput(slot)
            if upgrade.subprotocol == .json, !arena.makeRecord(slot) { return exhausted(slot) }
            if upgrade.consumed < count, state(slot).isOpen {
                keep(slot, RawSpan(), bytes.extracting(upgrade.consumed..<count), 0)
                hold(slot)
            }
        case .respond(let answer):
            appendBytes(slot, outcome.response())
            if answer.status != .ok { self.count(.connectionsRefused) }
            logHandshake(slot, answer)
            close(slot, .unspecifiedError, tellClient: false, detail: "HTTP \(answer.status.rawValue)")
        }
    }

    private func logHandshake(_ slot: Int, _ answer: HandshakeAnswer) {
        guard answer.status != .ok, answer.status != .notFound else { return }
        logViolation(slot, "WebSocket handshake: HTTP \(answer.status.rawValue), \(answer.text)")
    }

    // MARK: frames

    private mutating func takeFrames(_ slot: Int, plainLength: Int, rawLength: Int) {
        var plain = PlainStream(start: plainLength, capacity: arena.scratchBytes, inBuffer: false)
        if plainLength > Arena.smallLeftover {
            // A large packet under way is continued where it lies.
            guard growInput(slot, plainLength, by: rawLength) else { return exhausted(slot) }
            plain = PlainStream(
                start: plainLength, capacity: arena.inputBuffer(slot).capacity, inBuffer: true)
        } else if plainLength > 0 {
            var front = arena.mutablePlain(0, plainLength)
            front.copy(arena.input(slot, 0, plainLength), at: 0)
        }
        var position = 0
        var machine = MessageMachine(bits: arena[cold: slot].ws_machine)
        do throws(WebSocketError) {
            while state(slot).isOpen {
                guard try takeFrame(slot, &machine, &plain, &position, rawLength) else { break }
            }
        } catch {
            arena[cold: slot].ws_machine = machine.bits
            return violateWebSocket(slot, error)
        }
        arena[cold: slot].ws_machine = machine.bits
        guard state(slot).isOpen else { return }
        finishFrames(slot, plain, arena.raw(position, rawLength - position))
    }

    /// Takes the next frame, or a piece of its payload, from the raw region at `position`.
    /// - Returns: false when nothing more can be taken now.
    @inline(__always)
    private mutating func takeFrame(
        _ slot: Int, _ machine: inout MessageMachine, _ plain: inout PlainStream, _ position: inout Int,
        _ rawLength: Int
    ) throws(WebSocketError) -> Bool {
        if arena[cold: slot].ws_remaining > 0 {
            guard position < rawLength else { return false }
            return try takePayload(slot, &machine, &plain, &position, rawLength)
        }
        let isJSON = arena[slot].transport == Transport.webSocketJSON.rawValue
        // A JSON request is handled at its last byte, so credit is asked for before.
        if isJSON, position < rawLength, !hasCredit(.work) || !hasRequestRoom(slot) {
            hold(slot)
            return false
        }
        let raw = arena.raw(0, rawLength)
        // MQTT's packets have their own limit, however many of them a frame carries.
        let limit = isJSON ? Int(settings.packetSize) : Int.max
        guard let header = try FrameHeader.read(raw, at: position, limit: limit) else { return false }
        let start = position + header.headerLength
        if header.opcode.isControl, start + header.payloadLength > rawLength { return false }
        let action = try machine.received(header, limit: limit)
        if case .data(let text, let final) = action {
            guard text == isJSON else {
                throw WebSocketError(.unsupportedData, "text and binary are not this protocol's", "§7.4.1")
            }
            position = start
            arena[cold: slot].last_input = clock.tenths
            arena[cold: slot].ws_remaining = UInt64(header.payloadLength)
            arena[cold: slot].ws_key = header.mask
            arena[cold: slot].ws_text = text ? 1 : 0
            arena[cold: slot].ws_final = final ? 1 : 0
            if header.payloadLength == 0 { try endFrame(slot, &machine, &plain, RawSpan()) }
            return true
        }
        try takeControl(slot, action, raw, start, header)
        position = start + header.payloadLength
        return true
    }

    /// Copies what is there of the payload under way, unmasked.
    @inline(__always)
    private mutating func takePayload(
        _ slot: Int, _ machine: inout MessageMachine, _ plain: inout PlainStream, _ position: inout Int,
        _ rawLength: Int
    ) throws(WebSocketError) -> Bool {
        let remaining = Int(truncatingIfNeeded: arena[cold: slot].ws_remaining)
        let count = min(remaining, rawLength - position, plain.capacity - plain.end)
        guard count > 0 else { return false }
        var target =
            plain.inBuffer
            ? arena.mutableInput(slot, plain.end, count) : arena.mutablePlain(plain.end, count)
        target.copy(arena.raw(position, count), at: 0)
        Masking.apply(&target, 0..<count, key: arena[cold: slot].ws_key)
        if count < remaining { arena[cold: slot].ws_key = Masking.rotated(arena[cold: slot].ws_key, by: count) }
        arena[cold: slot].ws_remaining = UInt64(remaining - count)
        position += count
        plain.end += count
        let piece = plainSpan(slot, plain, plain.end - count, count)
        if count == remaining {
            try endFrame(slot, &machine, &plain, piece)
        } else if arena[cold: slot].ws_text == 1 {
            try machine.text(piece, ends: false)
        }
        return true
    }

    /// A frame is complete; if it ends a JSON message, that is handled.
    @inline(__always)
    private mutating func endFrame(
        _ slot: Int, _ machine: inout MessageMachine, _ plain: inout PlainStream, _ piece: RawSpan
    ) throws(WebSocketError) {
        guard arena[cold: slot].ws_text == 1 else { return }
        let final = arena[cold: slot].ws_final == 1
        try machine.text(piece, ends: final)
        guard final else { return }
        handleJSON(slot, plainSpan(slot, plain, 0, plain.end))
        plain.end = 0
    }

    /// Everything was taken apart: MQTT is parsed, the rest kept.
    private mutating func finishFrames(_ slot: Int, _ plain: PlainStream, _ raw: RawSpan) {
        let bytes = plainSpan(slot, plain, 0, plain.end)
        var progress = Progress()
        if arena[slot].transport == Transport.webSocketMQTT.rawValue {
            progress = parsePackets(slot, bytes)
            guard state(slot).isOpen else { return }
        }
        let left = bytes.extracting(progress.consumed..<bytes.byteCount)
        if left.byteCount == 0, raw.byteCount == 0 {
            if arena[slot].input != 0 { arena.clearInput(slot) }
            return
        }
        if plain.inBuffer, progress.consumed == 0, raw.byteCount == 0 {
            arena[slot].input_length = UInt32(plain.end)
            arena[slot].raw_length = 0
            return
        }
        keep(slot, left, raw, progress.needed)
    }

    @_lifetime(immortal)
    private func plainSpan(_ slot: Int, _ plain: PlainStream, _ offset: Int, _ count: Int) -> RawSpan {
        plain.inBuffer ? arena.input(slot, offset, count) : arena.plain(offset, count)
    }
}

/// Where the payload of frames is collected.
private struct PlainStream {
    /// Behind the last byte.
    var end: Int
    let capacity: Int
    /// In the connection's own buffer instead of the plain region.
    let inBuffer: Bool

    init(start: Int, capacity: Int, inBuffer: Bool) {
        end = start
        self.capacity = capacity
        self.inBuffer = inBuffer
    }
}
