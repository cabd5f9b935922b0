import Testing

@testable import Configuration

@Suite struct LineIndexTests {
    private let index = LineIndex(
        """
        # comment = 1
        top = "a # [not] = a table"   # comment
        "quoted key" = 1
        multi = \"\"\"
        [fake]
        key = 1 \\\"\"\" x
        \"\"\"
        list = [
          "a", # ]
          ["b"],
        ]
        raw = '''
        x = ''''
        [limits]
          a.b = 2
        inline = { x = 1, y = "}" }
        [[listener]]
        name = "one"
        [[listener]]

        name = "two"
        [listener.tls]
        key = 'k\\'
        [[listener.more]]
        z = 1
        [ log . "deep" ]
        level = 1
        """)

    @Test(arguments: [
        ("comment", nil), ("top", 2), ("quoted key", 3), ("multi", 4), ("fake", nil), ("key", nil), ("list", 8),
        ("raw", 12), ("x", nil), ("limits", 14), ("limits.a", 15), ("limits.a.b", 15), ("limits.inline", 16),
        ("limits.inline.y", 16), ("limits.unknown", 14), ("listener[0]", 17), ("listener[0].name", 18),
        ("listener[1]", 19), ("listener[1].name", 21), ("listener[1].bind", 19), ("listener[1].tls.key", 23),
        ("listener[1].more[0].z", 25), ("log.deep.level", 27), ("log", 26), ("", nil),
    ]) func lines(_ path: String, _ line: Int?) {
        #expect(index.line(of: path) == line)
    }

    /// Random bytes of TOML's own alphabet: whatever they are, scanning ends and does not trap.
    @Test func anyTextIsSurvived() {
        var state: UInt64 = 0x5eed
        let alphabet = Array("[]{}=.\"'\\#\n a1".utf8)
        for _ in 0..<2000 {
            let bytes = (0..<40).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return alphabet[Int(state >> 33) % alphabet.count]
            }
            let lines = bytes.count { $0 == UInt8(ascii: "\n") } + 1
            let found = LineIndex(String(decoding: bytes, as: UTF8.self)).line(of: "a")
            #expect((1...lines).contains(found ?? 1), "seed 0x5eed")
        }
    }
}
