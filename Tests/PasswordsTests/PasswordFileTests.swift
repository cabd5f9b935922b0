// Password files, line by line, and the forms of hashes: those here were made by mosquitto_passwd 2.0.11 and by Debian's crypt.

import Testing

@testable import Passwords

@Suite struct PasswordFileTests {
    /// Each is of `correct horse`.
    static let hashes = [
        "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79",
        "$6$rounds=5000$saltstring$.r0X7ub5wGR2v4Xz7svCIozfnlorFh19V89t8KC9Umd81uGhFgsyTRNyzQDXDIm17fFcR9z3z7oBNdsyYBbtm/",
        "$2b$10$abcdefghijklmnopqrstuu23JPZtHcGhwXSF41f93o/7vBdDut3Xu",
        "$5$saltsalt$myjXcpMpE2Ofk7fj9hqyNYSn6lmWG4Mqnjx.KIRRr4/",
        // mosquitto_passwd, its default.
        "$7$101$eFz0XG815s+HCMoo$1lDk3qkb3IBk5PBEUQF24kJv5+ac+PDdLlCPNOUKkDsJRs64Asuoo0IXhEyN10wJoMqbvcq8daaETLYn0nyF9g==",
        SCRAMKeys(password: Array("correct horse".utf8), salt: [1, 2, 3]).description,
    ]

    @Test(arguments: hashes)
    func oneIsRightAndOthersAreNot(_ hash: String) throws {
        let verifier = try Verifier(hash)
        #expect(verifier.accepts(Array("correct horse".utf8)))
        for wrong in ["", "correct hors", "correct horse ", "Correct horse"] {
            #expect(!verifier.accepts(Array(wrong.utf8)), "\(wrong)")
        }
    }

    @Test func mosquittosOlderFormIsKnownFromCryptsOfTheSameName() throws {
        let verifier = try Verifier(
            "$6$dxgnyTFFHAU+OKD2$FgXPKxT58+oO7vyzBYPD6vIJZCf61faConbMYn+vc5bohP+Y3L69s+cFBlzr6JsSE8r3ca+rUzyR8lVWJDNv4Q=="
        )
        guard case .saltedSHA512 = verifier else { throw PasswordProblem("another form") }
        #expect(verifier.accepts(Array("battery staple".utf8)))
        #expect(!verifier.accepts(Array("battery stapl".utf8)))
    }

    @Test func aPasswordThatCryptCanNotTakeIsWrong() throws {
        let verifier = try Verifier(Self.hashes[0])
        // A C string would end at the NUL, and be right.
        #expect(!verifier.accepts(Array("correct horse".utf8) + [0]))
        #expect(!verifier.accepts([UInt8](repeating: 0x61, count: 60_000)))
    }

    @Test func aNewHashIsYescryptAndItsPasswordIsRight() throws {
        let setting = try #require(Crypt.setting(cost: 1))
        let hash = try #require(Crypt.hash(Array("ä€😀".utf8), setting))
        #expect(hash.hasPrefix("$y$j"))
        #expect(try Verifier(hash).accepts(Array("ä€😀".utf8)))
        #expect(Crypt.setting(cost: 1) != setting)
    }

    @Test func aFileHasItsUsers() throws {
        let text = "# those of the house\n\nalice:\(Self.hashes[0])\nß:\(Self.hashes[4])\r\nc3:\(Self.hashes[5])"
        let file = try PasswordFile(Array(text.utf8), file: "passwd")
        #expect(Set(file.users.keys) == [Array("alice".utf8), Array("ß".utf8), Array("c3".utf8)])
        #expect(file.dummy == file.users[Array("alice".utf8)])
    }

    @Test func composedAndDecomposedCharactersAreTwoUsers() throws {
        let text = "\u{E4}:\(Self.hashes[0])\na\u{308}:\(Self.hashes[0])\n"
        #expect(try PasswordFile(Array(text.utf8), file: "passwd").users.count == 2)
    }

    @Test(arguments: [
        ("alice", "passwd:1: not USER:HASH"),
        (":\(hashes[0])", "passwd:1: not USER:HASH"),
        ("alice:secret", "passwd:1: not a hash of a kind that is known; `apusctl passwd` writes one"),
        ("alice:", "passwd:1: not a hash of a kind that is known; `apusctl passwd` writes one"),
        ("alice:$y$", "passwd:1: not a hash of a kind that is known; `apusctl passwd` writes one"),
        // Settings without a hash.
        ("alice:$y$j9T$F5Jx", "passwd:1: not a hash of a kind that is known; `apusctl passwd` writes one"),
        ("alice:$9$x$y", "passwd:1: not a hash of a kind that is known; `apusctl passwd` writes one"),
        (
            "alice:SCRAM-SHA-256$100:AAAA$AAAA:AAAA",
            "passwd:1: not SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY with 4096 iterations or more"
        ),
        (
            "# two\nalice:\(hashes[0])\n\nalice:\(hashes[4])\nbob\n",
            "passwd:4: this user stands in line 2 already\npasswd:5: not USER:HASH"
        ),
    ])
    func aWrongLineIsNamed(_ text: String, _ problem: String) throws {
        let problems = #expect(throws: PasswordFile.Problems.self) {
            _ = try PasswordFile(Array(text.utf8), file: "passwd")
        }
        #expect(problems?.description == problem)
    }

    @Test func linesThatAreNotTextAreRefused() {
        for bytes in [[0x61, 0x3A, 0xFF], [0xC0, 0x3A] + Array(Self.hashes[0].utf8), [0x61, 0, 0x3A, 0x24]] as [[UInt8]]
        {
            #expect(throws: PasswordFile.Problems.self) { _ = try PasswordFile(bytes, file: "passwd") }
        }
    }

    @Test func aFileThatIsNotThereIsNamed() {
        let problems = #expect(throws: PasswordFile.Problems.self) { _ = try PasswordFile.read("/nowhere/passwd") }
        #expect(problems?.description == "/nowhere/passwd: can not be opened: No such file or directory")
    }

    @Test func ofManyWrongLinesTheFirstAreTold() {
        let text = String(repeating: "x\n", count: 5000)
        let problems = #expect(throws: PasswordFile.Problems.self) {
            _ = try PasswordFile(Array(text.utf8), file: "passwd")
        }
        #expect(problems?.problems.count == 5000)
        #expect(problems?.description.hasSuffix("and 4990 more lines like these") == true)
    }
}
