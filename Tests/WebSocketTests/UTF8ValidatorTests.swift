import Testing

@testable import WebSocket

@Suite("UTF-8")
struct UTF8ValidatorTests {
    /// Whether the pieces, one after the other, are UTF-8.
    static func isValid(_ pieces: [UInt8]...) -> Bool {
        var validator = UTF8Validator()
        for piece in pieces where !withBytes(piece, { validator.take($0) }) { return false }
        return validator.isComplete
    }

    static let valid: [[UInt8]] =
        [
            "", "a", "ASCII longer than eight bytes", "κόσμε", "äöü ÄÖÜß", "日本語, twelve and more", "🐦 swift 🐦🐦",
            "\u{0}\u{7F}\u{80}\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}", "\u{D7FF}\u{E000}\u{FFFD}\u{FFFE}",
        ].map { Array($0.utf8) }

    static let invalid: [[UInt8]] = [
        [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x41], [0xC2, 0xC2],
        [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF], [0xE1, 0x80], [0xE1, 0x80, 0x41],
        [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF],
        [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF], [0xF1, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80],
        [0xF5, 0x80, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFE], [0xFF],
        // Autobahn's example: valid Greek, then a surrogate, then ASCII.
        [0xCE, 0xBA, 0xE1, 0xBD, 0xB9, 0xCF, 0x83, 0xED, 0xA0, 0x80, 0x65, 0x64],
    ]

    @Test("valid text, cut anywhere", arguments: valid)
    func accepts(_ text: [UInt8]) {
        for cut in 0...text.count {
            #expect(Self.isValid(Array(text[..<cut]), Array(text[cut...])), "cut at \(cut)")
        }
    }

    @Test("invalid text, cut anywhere, alone and within ASCII", arguments: invalid)
    func refuses(_ text: [UInt8]) {
        let ascii = [UInt8](repeating: 0x61, count: 11)
        for text in [text, ascii + text, text + ascii, ascii + text + ascii] {
            for cut in 0...text.count {
                #expect(!Self.isValid(Array(text[..<cut]), Array(text[cut...])), "cut at \(cut)")
            }
        }
    }

    @Test("the error is found at the first byte that can not be right")
    func failsFast() {
        var validator = UTF8Validator()
        let before = withBytes([0xF4]) { validator.take($0) }
        let at = withBytes([0x90]) { validator.take($0) }
        let after = withBytes([0x61]) { validator.take($0) }
        #expect(before && !at && !after && !validator.isComplete)
    }

    @Test("random bytes: as the standard library decides")
    func random() {
        let seed: UInt64 = 0x5EED_0003
        var random = SplitMix64(seed: seed)
        // Bytes at the borders of the classes, so that valid text is frequent.
        let bytes: [UInt8] = [
            0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF4, 0xF5,
        ]
        for _ in 0..<50_000 {
            let text = (0..<Int.random(in: 0...6, using: &random)).map { _ in bytes.randomElement(using: &random)! }
            #expect(Self.isValid(text) == (String(validating: text, as: UTF8.self) != nil), "seed \(seed): \(text)")
        }
    }
}
