// WebSocket's own frames: ping, pong, close; errors of frames; the pings by which the server finds out who is there.

import Arena
import CArena
import Connection
import MQTT
import Messages
import WebSocket

extension Listener {
    /// Handles a control frame whose payload lies at `start` of `raw`.
    mutating func takeControl(
        _ slot: Int, _ action: MessageMachine.Action, _ raw: RawSpan, _ start: Int, _ header: FrameHeader
    ) throws(WebSocketError) {
        var payload: [UInt8] = []
        for index in 0..<header.payloadLength {
            payload.append(
                raw.load8(at: start + index) ^ UInt8(truncatingIfNeeded: header.mask >> (8 * UInt32(index & 3))))
        }
        // A pong tells a JSON client's heartbeat that it lives; MQTT's keep-alive wants packets.
        if transport(slot) == .webSocketJSON { arena[cold: slot].last_input = clock.tenths }
        switch action {
        case .ping:
            appendMessage(slot, .pong, payload)
        case .pong, .discard, .data:
            break
        case .close:
            // RFC 6455 §5.5.1: a close is answered with the same code.
            let code = try CloseFrame.read(payload.span.raw)
            appendBytes(slot, CloseFrame.encoded(code))
            close(
                slot, .unspecifiedError, tellClient: false, will: true,
                detail: "the client closed the WebSocket" + (code.map { " with code \($0)" } ?? ""))
        }
    }

    /// Ends a connection whose frames are not WebSocket's: a close frame says which rule was broken.
    mutating func violateWebSocket(_ slot: Int, _ error: WebSocketError) {
        count(error.closeCode == .protocolError ? .malformedPackets : .protocolErrors)
        if error.closeCode == .messageTooBig { count(.packetsTooLarge) }
        logViolation(slot, "\(error.what) [RFC 6455 \(error.clause)]")
        if state(slot) != .handshake {
            appendBytes(slot, CloseFrame.encoded(error.closeCode.rawValue, reason: error.what.description))
        }
        close(slot, .malformedPacket, tellClient: false, detail: "WebSocket violation")
    }

    /// The close frame that goes with the end of a connection that the broker decided.
    mutating func appendWebSocketClose(_ slot: Int, _ reason: ReasonCode) {
        let code: CloseCode =
            switch reason {
            case .serverShuttingDown: .goingAway
            case .serverUnavailable, .useAnotherServer, .serverMoved: .serviceRestart
            case .malformedPacket, .protocolError: .protocolError
            case .packetTooLarge: .messageTooBig
            case .quotaExceeded, .serverBusy: .tryAgainLater
            default: .policyViolation
            }
        if state(slot) != .handshake {
            appendBytes(slot, CloseFrame.encoded(code.rawValue, reason: reason.description))
        }
    }

    /// Called about once a second for a connected WebSocket: pings it, and closes a JSON client that is silent.
    mutating func keepWebSocketAlive(_ slot: Int, _ idle: UInt32) {
        if transport(slot) == .webSocketJSON, idle * 100 > settings.heartbeatTimeout {
            count(.keepAliveTimeouts)
            return close(slot, .keepAliveTimeout, tellClient: true)
        }
        let since = clock.tenths &- arena[cold: slot].last_ping
        if settings.webSocketPingInterval > 0, since * 100 >= settings.webSocketPingInterval {
            arena.beginStep(slot)
            arena[cold: slot].last_ping = clock.tenths
            appendMessage(slot, .ping, [])
            arena.endStep()
        }
    }
}
