import Testing

@testable import WebSocket

@Suite("Masking")
struct MaskingTests {
    /// RFC 6455 §5.3, to the letter.
    static func naive(_ bytes: [UInt8], _ key: UInt32, _ phase: Int) -> [UInt8] {
        bytes.enumerated().map { $0.element ^ UInt8(truncatingIfNeeded: key >> UInt32(8 * (($0.offset + phase) % 4))) }
    }

    @Test("RFC 6455 §5.7: Hello")
    func hello() {
        var bytes: [UInt8] = [0x7F, 0x9F, 0x4D, 0x51, 0x58]
        withMutableBytes(&bytes) { Masking.apply(&$0, 0..<5, key: 0x3D21_FA37) }
        #expect(bytes == Array("Hello".utf8))
    }

    @Test("every length, offset and phase against the naive model")
    func model() {
        let seed: UInt64 = 0x5EED_0002
        var random = SplitMix64(seed: seed)
        for length in 0...140 {
            for offset in 0...9 {
                let key = UInt32(truncatingIfNeeded: random.next())
                let phase = Int.random(in: 0...7, using: &random)
                let original = (0..<length + offset + 3).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                var bytes = original
                let range = offset..<offset + length
                withMutableBytes(&bytes) { Masking.apply(&$0, range, key: key, phase: phase) }
                let expected =
                    original[..<offset] + Self.naive(Array(original[range]), key, phase)
                    + original[(offset + length)...]
                #expect(bytes == Array(expected), "seed \(seed), length \(length), offset \(offset), phase \(phase)")
            }
        }
    }

    @Test("a payload in two pieces is as one")
    func pieces() {
        let original = (0..<100).map { UInt8($0) }
        var whole = original
        withMutableBytes(&whole) { Masking.apply(&$0, 0..<100, key: 0x0403_0201) }
        for cut in 0...100 {
            var bytes = original
            withMutableBytes(&bytes) {
                Masking.apply(&$0, 0..<cut, key: 0x0403_0201)
                Masking.apply(&$0, cut..<100, key: 0x0403_0201, phase: cut)
            }
            #expect(bytes == whole)
        }
    }

    @Test("a key of zero changes nothing")
    func zero() {
        var bytes: [UInt8] = [1, 2, 3, 4, 5]
        withMutableBytes(&bytes) { Masking.apply(&$0, 0..<5, key: 0) }
        #expect(bytes == [1, 2, 3, 4, 5])
    }
}
