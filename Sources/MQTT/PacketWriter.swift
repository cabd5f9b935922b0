// Writes the fields of a packet one after the other, and the fixed header before them once the length is known. Every
// cold encoder is written with it; listeners write the hot packets themselves.

/// What is behind a packet's fixed header, as far as it is written.
struct PacketWriter {
    private(set) var bytes: [UInt8] = []

    mutating func byte(_ value: UInt8) { bytes.append(value) }

    mutating func twoBytes(_ value: UInt16) {
        bytes.append(UInt8(truncatingIfNeeded: value >> 8))
        bytes.append(UInt8(truncatingIfNeeded: value))
    }

    mutating func fourBytes(_ value: UInt32) {
        twoBytes(UInt16(truncatingIfNeeded: value >> 16))
        twoBytes(UInt16(truncatingIfNeeded: value))
    }

    mutating func variable(_ value: Int) { VariableByteInteger.append(value, to: &bytes) }

    /// Bytes as they are.
    mutating func raw(_ value: [UInt8]) { bytes += value }

    /// At most 65,535 bytes, behind two bytes of length. More is a mistake of the caller, and fatal.
    mutating func binary(_ value: [UInt8]) {
        precondition(value.count <= UInt16.max, "a field of \(value.count) bytes, MQTT allows 65535")
        twoBytes(UInt16(value.count))
        bytes += value
    }

    /// At most 65,535 bytes of UTF-8, behind two bytes of length. More is a mistake of the caller, and fatal.
    mutating func string(_ value: String) { binary(Array(value.utf8)) }

    /// Properties behind their length [MQTT-2.2.2-1].
    mutating func properties(_ properties: Properties) { properties.encode(into: &bytes) }

    /// Appends the whole packet, at most 268,435,455 bytes behind the fixed header, to `output`.
    func finish(_ firstByte: UInt8, into output: inout [UInt8]) {
        output.append(firstByte)
        VariableByteInteger.append(bytes.count, to: &output)
        output += bytes
    }
}
