// SQLite finds damage to its structure, not to what lies in it: every row that matters carries a checksum of what was
// written, so that nothing false is delivered or recovered.

/// A sum over integers and bytes. Against damage, not against an attacker.
struct Checksum {
    private var state: UInt64

    /// - Parameter table: tells rows of different tables apart.
    init(_ table: UInt64) { state = 0x9E37_79B9_7F4A_7C15 &* (table | 1) }

    @inline(__always)
    mutating func add(_ value: UInt64) { mix(value ^ 0xA076_1D64_78BD_642F, 0xE703_7ED1_A0B4_28DB) }

    @inline(__always)
    mutating func add(_ value: Int64) { add(UInt64(bitPattern: value)) }

    /// The bytes and how many they are.
    @inline(__always)
    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        var offset = 0
        // Every load is bounds-checked by its loop's condition.
        while offset &+ 16 <= bytes.count {
            let low = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            let high = unsafe bytes.loadUnaligned(fromByteOffset: offset &+ 8, as: UInt64.self)
            mix(low ^ 0x8EBC_6AF0_9C88_C6E3, high)
            offset &+= 16
        }
        var rest: UInt64 = 0
        while offset < bytes.count {
            rest = unsafe (rest << 8) | UInt64(bytes[offset])
            offset &+= 1
            if (bytes.count &- offset) & 7 == 0 {
                mix(rest ^ 0xA076_1D64_78BD_642F, 0x5895_50CC_2BCB_1F57)
                rest = 0
            }
        }
        mix(UInt64(bytes.count) ^ 0xE703_7ED1_A0B4_28DB, rest | 1)
    }

    /// 32 bits of it.
    var value: Int64 { Int64((state ^ state >> 32) & 0xFFFF_FFFF) }

    @inline(__always)
    private mutating func mix(_ first: UInt64, _ second: UInt64) {
        let product = (state ^ first).multipliedFullWidth(by: second ^ (state >> 29 | state << 35) | 1)
        state = product.high ^ product.low
    }
}

extension Checksum {
    static func session(_ row: Operation, _ client: UnsafeRawBufferPointer, _ will: UnsafeRawBufferPointer) -> Int64 {
        var sum = Checksum(1)
        sum.add(UInt64(row.session) << 16 | UInt64(row.short))
        sum.add(UInt64(row.long))
        sum.add(row.number)
        sum.add(row.expiresAt)
        // Unknown is as before there was one.
        if row.last != 0 { sum.add(row.last) }
        unsafe sum.add(client)
        unsafe sum.add(will)
        return sum.value
    }

    static func subscription(_ row: Operation, _ filter: UnsafeRawBufferPointer) -> Int64 {
        var sum = Checksum(2)
        sum.add(UInt64(row.session) << 8 | UInt64(row.qos))
        sum.add(UInt64(row.long))
        unsafe sum.add(filter)
        return sum.value
    }

    static func received(_ key: Int64) -> Int64 {
        var sum = Checksum(3)
        sum.add(key)
        return sum.value
    }

    static func mark(_ place: UInt32, _ bytes: UInt64) -> Int64 {
        var sum = Checksum(8)
        sum.add(UInt64(place))
        sum.add(bytes)
        return sum.value
    }

    static func seen(
        _ number: UInt32, _ count: UInt64, _ node: UnsafeRawBufferPointer, _ items: UnsafeRawBufferPointer
    ) -> Int64 {
        var sum = Checksum(9)
        sum.add(UInt64(number))
        sum.add(count)
        unsafe sum.add(node)
        unsafe sum.add(items)
        return sum.value
    }

    /// - Parameter bytes: the identifiers, and topic, payload and properties where the entry holds them itself.
    @inline(__always)
    static func entry(
        _ key: Int64, qos: UInt8, expiresAt: UInt64, message: Int64, size: Int64, _ identifiers: UnsafeRawBufferPointer,
        _ bytes: [3 of UnsafeRawBufferPointer]
    ) -> Int64 {
        var sum = Checksum(4)
        sum.add(key)
        sum.add(UInt64(qos) | expiresAt << 8)
        sum.add(message)
        sum.add(size)
        if identifiers.count > 0 { unsafe sum.add(identifiers) }
        for index in 0..<3 { unsafe sum.add(bytes[index]) }
        return sum.value
    }

    @inline(__always)
    static func message(
        _ table: UInt64, _ id: Int64, qos: UInt8, expiresAt: UInt64, _ bytes: [3 of UnsafeRawBufferPointer]
    ) -> Int64 {
        var sum = Checksum(table)
        sum.add(id)
        sum.add(UInt64(qos) | expiresAt << 8)
        for index in 0..<3 { unsafe sum.add(bytes[index]) }
        return sum.value
    }
}

/// How far an entry's delivery has come, in one integer that `assign` can write without reading the row: 15 bits of
/// checksum, the packet identifier, stage and flags.
enum DeliveryState {
    static func make(_ key: Int64, packetIdentifier: UInt16, stage: UInt8, flags: UInt8) -> Int64 {
        let state = Int64(packetIdentifier) << 16 | Int64(stage) << 8 | Int64(flags)
        var sum = Checksum(7)
        sum.add(key)
        sum.add(state)
        return (sum.value & 0x7FFF) << 32 | state
    }

    static func packetIdentifier(_ state: Int64) -> UInt16 { UInt16(truncatingIfNeeded: state >> 16) }

    /// `nil`: it is not what was written.
    static func read(_ state: Int64, _ key: Int64, qos: UInt8) -> EntryHead? {
        let head = EntryHead(
            qos: qos, flags: UInt8(truncatingIfNeeded: state),
            packetIdentifier: UInt16(truncatingIfNeeded: state >> 16), stage: UInt8(truncatingIfNeeded: state >> 8))
        let expected = make(key, packetIdentifier: head.packetIdentifier, stage: head.stage, flags: head.flags)
        return expected == state ? head : nil
    }
}
