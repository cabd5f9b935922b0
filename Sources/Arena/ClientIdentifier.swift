// The client identifier of a connection, kept for the log and for a successor: in the slot, or in a buffer if it is
// longer than the slot has room for.

import CArena
import Messages

extension Arena {
    /// Bytes of an identifier that fit into the slot itself.
    static var inlineCapacity: Int { 24 }

    /// Stores the identifier, at most 65,535 bytes. Where the arena is exhausted a long one is cut to what the slot holds.
    package mutating func setClientIdentifier(_ identifier: [UInt8], slot: Int) {
        clearClientIdentifier(slot)
        var length = identifier.count
        if length > Self.inlineCapacity {
            if let buffer = allocate(length) {
                var span = mutableBufferSpan(buffer.offset, length)
                span.copy(identifier.span.raw, at: 0)
                self[cold: slot].client_id_overflow = buffer.unit
                self[cold: slot].client_id_class = buffer.sizeClass
            } else {
                length = Self.inlineCapacity
            }
        }
        if length <= Self.inlineCapacity {
            // A C array is a tuple here; its bytes are the slot's own.
            unsafe withUnsafeMutableBytes(of: &self[cold: slot].client_id) { bytes in
                for i in 0..<length { unsafe bytes[i] = identifier[i] }
            }
        }
        self[cold: slot].client_id_length = UInt16(length)
    }

    package func clientIdentifier(_ slot: Int) -> [UInt8] {
        let length = Int(self[cold: slot].client_id_length)
        let buffer = Buffer(unit: self[cold: slot].client_id_overflow, sizeClass: self[cold: slot].client_id_class)
        if buffer.exists {
            let span = bufferSpan(buffer.offset, length)
            return (0..<length).map { span.load8(at: $0) }
        }
        return unsafe withUnsafeBytes(of: self[cold: slot].client_id) { unsafe Array($0.prefix(length)) }
    }

    package mutating func clearClientIdentifier(_ slot: Int) {
        freeAtCommit(
            Buffer(unit: self[cold: slot].client_id_overflow, sizeClass: self[cold: slot].client_id_class))
        self[cold: slot].client_id_overflow = 0
        self[cold: slot].client_id_length = 0
    }
}
