// Which deliveries at QoS 1 and 2 a client has not finally acknowledged: a count for every connection, and the packet
// identifiers where the session outlives it, for a new router to know what is on its way.

public import CArena
import Messages

extension Arena {
    /// A delivery at QoS 1 or 2 goes out. Within a batch that has touched the slot.
    @inlinable @inline(__always)
    package mutating func delivered(_ identifier: UInt16, slot: Int, keepsWindow: Bool) {
        self[slot].outstanding &+= 1
        // Not saved before: a new router would only leave identifiers out. An older one may come later, if the store had
        // assigned it.
        if self[cold: slot].last_packet_id == 0 || identifier &- self[cold: slot].last_packet_id < 0x8000 {
            self[cold: slot].last_packet_id = identifier
        }
        if keepsWindow { extendWindow(identifier, slot) }
    }

    /// The client has finally acknowledged one. Within a step.
    @inlinable @inline(__always)
    package mutating func settled(_ identifier: UInt16, slot: Int, keepsWindow: Bool) {
        // A client may acknowledge what was never sent.
        if self[slot].outstanding > 0 { self[slot].outstanding &-= 1 }
        if keepsWindow { shortenWindow(identifier, slot) }
    }

    /// The outstanding packet identifiers in the order of their delivery.
    package func window(_ slot: Int) -> [UInt16] {
        guard hasRecord(slot) else { return [] }
        let bytes = bytes(of: .window, slot: slot)
        return stride(from: 0, to: bytes.byteCount, by: 2).map { bytes.load16(at: $0) }
    }

    @usableFromInline @inline(never)
    mutating func extendWindow(_ identifier: UInt16, _ slot: Int) {
        guard hasRecord(slot) else { return }
        touchRecord(slot)
        guard var span = append(2, to: .window, slot: slot) else { return }
        span.store(identifier, at: 0)
    }

    @usableFromInline @inline(never)
    mutating func shortenWindow(_ identifier: UInt16, _ slot: Int) {
        guard hasRecord(slot) else { return }
        let bytes = bytes(of: .window, slot: slot)
        // Acknowledgements come in the order of the deliveries [MQTT-4.6.0-2], or nearly.
        guard
            let place = stride(from: 0, to: bytes.byteCount, by: 2).first(where: { bytes.load16(at: $0) == identifier })
        else { return }
        touchRecord(slot)
        if place == 0 { return removeFirst(2, from: .window, slot: slot) }
        var kept: [UInt8] = []
        for index in 0..<bytes.byteCount where index != place && index != place + 1 {
            kept.append(bytes.load8(at: index))
        }
        _ = replace(.window, with: kept, slot: slot)
    }
}
