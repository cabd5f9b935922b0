// What the tests of this module share.

@testable import WebSocket

/// Runs `body` on the bytes as the listener has them.
func withBytes<Result, Failure: Error>(
    _ bytes: [UInt8], _ body: (RawSpan) throws(Failure) -> Result
) throws(Failure) -> Result {
    // Bytes have no padding, so every one of them may be read.
    try body(unsafe bytes.span.bytes)
}

/// Runs `body` on the bytes as the listener has them to write.
func withMutableBytes<Result, Failure: Error>(
    _ bytes: inout [UInt8], _ body: (inout MutableRawSpan) throws(Failure) -> Result
) throws(Failure) -> Result {
    var elements = bytes.mutableSpan
    // As above, and any bits make a byte.
    var raw = unsafe elements.mutableBytes
    return try body(&raw)
}

/// Random numbers that a seed repeats (SplitMix64).
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// A client's frame, masked.
func clientFrame(
    _ opcode: UInt8, _ payload: [UInt8], final: Bool = true, mask: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
) -> [UInt8] {
    var frame: [UInt8] = [(final ? 0x80 : 0) | opcode]
    switch payload.count {
    case ..<126: frame.append(0x80 | UInt8(payload.count))
    case ...0xFFFF: frame += [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
    default:
        frame.append(0x80 | 127)
        for shift in stride(from: 56, through: 0, by: -8) { frame.append(UInt8(payload.count >> shift & 0xFF)) }
    }
    return frame + mask + payload.enumerated().map { $0.element ^ mask[$0.offset & 3] }
}
