// The digests and what is built of them, against published vectors, and base64 against itself.

import Testing

@testable import Passwords

@Suite struct DigestTests {
    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test func hmacIsThatOfRFC4231() {
        #expect(
            hex(SHA256.hmac(key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8)))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(
            hex(SHA512.hmac(key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8)))
                == "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd"
                + "caeab1a34d4a6b4b636e070a38bce737")
        // A key longer than a block.
        #expect(
            hex(
                SHA256.hmac(
                    key: [UInt8](repeating: 0xAA, count: 131),
                    Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8)))
                == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    }

    @Test func pbkdf2IsThatOfOthers() {
        // RFC 7914 §11.
        #expect(
            hex(SHA256.pbkdf2(password: Array("passwd".utf8), salt: Array("salt".utf8), iterations: 1))
                == "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc")
        // Python's hashlib.
        #expect(
            hex(SHA512.pbkdf2(password: Array("password".utf8), salt: Array("salt".utf8), iterations: 3))
                == "b6b07cb2cebf4ad84468391a543824fccffe0e0769dbe6bddf10a65673c4b648e612d44918f9ce9a19a1294cf5140628"
                + "084ba994c3b21a4ef4741220b811c633")
    }

    @Test func scramKeysAreThoseOfRFC7677() {
        let keys = SCRAMKeys(password: Array("pencil".utf8), salt: Base64.decoded("W22ZaJ0SNY7soEsUEjb6gQ==".utf8)!)
        #expect(
            keys.description
                == "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
                + "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")
        #expect(SCRAMKeys(keys.description) == keys)
    }

    @Test func base64IsThatOfRFC4648() {
        for (plain, text) in [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            #expect(Base64.encoded(Array(plain.utf8)) == Array(text.utf8))
            #expect(Base64.decoded(text.utf8) == Array(plain.utf8))
        }
        for wrong in ["Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9v\n", "Zm9-"] {
            #expect(Base64.decoded(wrong.utf8) == nil, "\(wrong)")
        }
    }

    @Test func allBytesComeBack() {
        for count in 0..<100 {
            let bytes = randomBytes(count)
            #expect(Base64.decoded(Base64.encoded(bytes)) == bytes)
        }
    }

    @Test func secretsAreComparedWhole() {
        #expect(isSame([], []) && isSame([1, 2], [1, 2]))
        #expect(!isSame([1, 2], [1, 3]) && !isSame([1], [1, 2]) && !isSame([1, 2], [0, 2]))
    }
}
