// The router's answers that are not on the path of a message: CONNACK, SUBACK, UNSUBACK, refusals, dismissals.

import Arena
import CArena
import Connection
import MQTT
import Messages

extension Listener {
    /// Applies one frame of a batch. Answers to connections that have gone are dropped.
    @inline(never)
    mutating func applyAnswer(_ bytes: RawSpan, _ type: FrameType) throws(FrameError) {
        switch type {
        case .hello:
            guard try Hello(decoding: bytes).worker == routerWorker, !arena.routerHasGreeted else {
                throw FrameError("a greeting that does not fit the channel")
            }
            arena.routerHasGreeted = true
        case .connack:
            let frame = try ConnackFrame(decoding: bytes)
            if try isCurrent(frame.slot, frame.generation) { answerConnect(frame) }
        case .suback:
            let frame = try SubackFrame(decoding: bytes)
            if try isCurrent(frame.slot, frame.generation) { answerSubscribe(frame) }
        case .unsuback:
            let frame = try UnsubackFrame(decoding: bytes)
            if try isCurrent(frame.slot, frame.generation) { answerUnsubscribe(frame) }
        case .refusal:
            let frame = try RefusalFrame(decoding: bytes)
            if try isCurrent(frame.slot, frame.generation) { answerRefusal(frame) }
        case .note:
            let frame = try NoteFrame(decoding: bytes)
            if try isCurrent(frame.slot, frame.generation) { keep(frame) }
        case .dismiss:
            let frame = try DismissFrame(decoding: bytes)
            if try isCurrent(frame.slot, frame.generation) {
                close(Int(frame.slot), ReasonCode(rawValue: frame.reasonCode), tellClient: true)
            }
        default:
            throw FrameError("a frame that is not for a listener")
        }
    }

    /// Whether the answer is for the connection that is in the slot now; touches the slot if so.
    private mutating func isCurrent(_ slot: UInt32, _ generation: UInt32) throws(FrameError) -> Bool {
        guard slot < arena.slotCount else { throw FrameError("an answer to a slot that does not exist") }
        let index = Int(slot)
        guard arena[index].generation == generation, state(index).isOpen else { return false }
        arena.touch(index)
        arena.touchCold(index)
        return true
    }

    private mutating func answerSubscribe(_ frame: SubackFrame) {
        let slot = Int(frame.slot)
        noteGranted(frame)
        if transport(slot) == .webSocketJSON { return answerJSON(slot, frame.packetIdentifier, frame.reasonCodes) }
        guard let version = ProtocolVersion(rawValue: arena[slot].version) else { return }
        var packet: [UInt8] = []
        Suback(
            packetIdentifier: frame.packetIdentifier, reasons: frame.reasonCodes.map(ReasonCode.init(rawValue:))
        ).encode(into: &packet, version: version)
        appendAnswer(slot, packet)
    }

    private mutating func answerUnsubscribe(_ frame: UnsubackFrame) {
        let slot = Int(frame.slot)
        noteRemoved(frame)
        if transport(slot) == .webSocketJSON { return answerJSON(slot, frame.packetIdentifier, []) }
        guard let version = ProtocolVersion(rawValue: arena[slot].version) else { return }
        var packet: [UInt8] = []
        Unsuback(
            packetIdentifier: frame.packetIdentifier, reasons: frame.reasonCodes.map(ReasonCode.init(rawValue:))
        ).encode(into: &packet, version: version)
        appendAnswer(slot, packet)
    }

    /// A PUBLISH or PUBREL that the router did not accept. MQTT 3.1.1 has no way to say so but to be acknowledged or
    /// closed [MQTT-3.3.5-2 of 3.1.1]: it is closed, for nothing is dropped silently.
    private mutating func answerRefusal(_ frame: RefusalFrame) {
        let slot = Int(frame.slot)
        let reason = ReasonCode(rawValue: frame.reasonCode)
        if transport(slot) == .webSocketJSON {
            return answerJSON(slot, frame.packetIdentifier, [frame.reasonCode])
        }
        let low = UInt8(truncatingIfNeeded: frame.packetIdentifier)
        let high = UInt8(truncatingIfNeeded: frame.packetIdentifier >> 8)
        if arena[slot].version == ProtocolVersion.v5.rawValue {
            if frame.packetIdentifier == 0 { return close(slot, reason, tellClient: true) }
            guard let type = PacketType(rawValue: frame.kind) else { return }
            appendRefusal(slot, reason, nil) {
                Acknowledgement(type, packetIdentifier: frame.packetIdentifier, reason: reason, properties: $0)
                    .encode(into: &$1, version: .v5)
            }
            // A PUBACK or PUBREC that refuses ends the exchange of a PUBLISH, and gives back what that took.
            if frame.kind == PacketType.puback.rawValue || frame.kind == PacketType.pubrec.rawValue {
                growWindow(slot)
            }
        } else if frame.kind == PacketType.pubcomp.rawValue {
            // A PUBREL for what is not known is answered all the same [MQTT-3.6.4-1].
            appendPacket(slot, [frame.kind << 4, 2, high, low])
        } else {
            close(slot, reason, tellClient: false)
        }
    }
}
