// What the tests of the codec share: bytes in a readable notation, decoding by stream, fixed-seed randomness.

import MQTT

/// Bytes from hex digits and text in single quotes; blanks count only within the quotes.
func bytes(_ notation: String) -> [UInt8] {
    var result: [UInt8] = []
    for (index, part) in notation.split(separator: "'", omittingEmptySubsequences: false).enumerated() {
        if index % 2 == 1 {
            result += Array(part.utf8)
            continue
        }
        let digits = part.filter { !$0.isWhitespace }
        precondition(digits.count % 2 == 0, "half a byte in \(notation)")
        var rest = digits[...]
        while !rest.isEmpty {
            guard let byte = UInt8(rest.prefix(2), radix: 16) else { preconditionFailure("no hex in \(notation)") }
            result.append(byte)
            rest = rest.dropFirst(2)
        }
    }
    return result
}

/// The packet at `offset`, read as a stream is: nil where bytes are missing.
func decode(
    _ bytes: [UInt8], at offset: Int = 0, version: ProtocolVersion, from sender: Sender
) throws(ProtocolError) -> Packet? {
    let span = bytes.span
    guard let header = try FixedHeader.read(span, at: offset, version: version) else { return nil }
    guard header.packetLength <= bytes.count - offset else { return nil }
    return try Packet(decoding: span, at: offset, header: header, version: version, from: sender)
}

extension Packet {
    func encoded(_ version: ProtocolVersion) -> [UInt8] {
        var bytes: [UInt8] = []
        encode(into: &bytes, version: version)
        return bytes
    }
}

/// SplitMix64: the same numbers for the same seed on every machine.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// True once in `times`.
    mutating func once(in times: Int) -> Bool { Int.random(in: 0..<times, using: &self) == 0 }

    mutating func pick<T>(_ choices: [T]) -> T { choices[Int.random(in: 0..<choices.count, using: &self)] }
}

// A test's expectations can not hold a span, so these take arrays.

func header(_ bytes: [UInt8], at offset: Int = 0, _ version: ProtocolVersion) throws(ProtocolError) -> FixedHeader? {
    try FixedHeader.read(bytes.span, at: offset, version: version)
}

func checkName(_ bytes: [UInt8]) throws(ProtocolError) { try TopicName.check(bytes.span) }

func checkFilter(_ filter: String) throws(ProtocolError) { try TopicFilter.check(Array(filter.utf8).span) }

func isValidMQTT(_ bytes: [UInt8]) -> Bool { UTF8.isValidMQTT(bytes.span) }

func isValidPayload(_ bytes: [UInt8]) -> Bool { UTF8.isValidPayload(bytes.span, 0..<bytes.count) }

func sharedFilter(_ filter: String) throws(ProtocolError) -> SharedFilter? {
    try SharedFilter(Array(filter.utf8).span)
}

func publishProperties(
    _ bytes: [UInt8], _ range: Range<Int>, from sender: Sender
) throws(ProtocolError) -> Properties {
    try Properties(decoding: bytes.span, range, of: .publish, from: sender)
}
