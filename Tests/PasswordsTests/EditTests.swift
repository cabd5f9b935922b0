// Changing one line of a password file, and putting the new file in the former one's place.

import Glibc
import Testing

@testable import Passwords

@Suite struct EditTests {
    private func replaced(_ user: String, _ verifier: String?, _ text: String) -> String {
        let found = PasswordFile.replacing(Array(user.utf8), with: verifier, in: Array(text.utf8))
        return String(decoding: found.bytes, as: UTF8.self) + (found.wasThere ? "was" : "new")
    }

    @Test func oneLineChangesAndOthersStay() {
        #expect(replaced("bob", "x", "") == "bob:x\nnew")
        #expect(replaced("bob", "x", "# a\n\nal:1\nbob:2\ncy:3") == "# a\n\nal:1\nbob:x\ncy:3\nwas")
        #expect(replaced("bob", "x", "bobby:1\n") == "bobby:1\nbob:x\nnew")
        #expect(replaced("bob", nil, "al:1\nbob:2\ncy:3\n") == "al:1\ncy:3\nwas")
        #expect(replaced("bob", nil, "al:1\n") == "al:1\nnew")
        // A file with a mistake is mended.
        #expect(replaced("bob", "x", "bob:1\nal:2\nbob:3\n") == "bob:x\nal:2\nwas")
    }

    @Test func namesThatAFileCanNotHold() {
        for name in ["", "a:b", "#a", "a\nb", "a\u{0}", "\u{7f}"] {
            #expect(PasswordFile.problem(ofName: Array(name.utf8)) != nil)
        }
        for name in ["a", "ä€", "a b", "a#b", String(repeating: "x", count: 65_535)] {
            #expect(PasswordFile.problem(ofName: Array(name.utf8)) == nil)
        }
    }

    @Test func aNewFileIsItsOwnersAloneAndALaterOneKeepsItsMode() throws {
        let folder = "/tmp/apus-passwords-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        // Each string is a C string for the length of its call.
        try #require(unsafe mkdir(folder, 0o700) == 0)
        defer {
            for name in ["passwd", "link"] { _ = unsafe unlink("\(folder)/\(name)") }
            #expect(unsafe rmdir(folder) == 0, "something is left in \(folder)")
        }
        let path = "\(folder)/passwd"
        func mode() -> mode_t {
            var found = stat()
            return unsafe lstat(path, &found) == 0 ? found.st_mode & 0o7777 : 0
        }
        try PasswordFile.write(Array("a:1\n".utf8), to: path)
        #expect(mode() == 0o600)
        _ = unsafe chmod(path, 0o640)
        // By a link: it stays one.
        _ = unsafe symlink("passwd", "\(folder)/link")
        try PasswordFile.write(Array("a:2\n".utf8), to: "\(folder)/link")
        #expect(mode() == 0o640)
        #expect(try PasswordFile.bytes(of: path) == Array("a:2\n".utf8))
        var found = stat()
        #expect(unsafe lstat("\(folder)/link", &found) == 0 && found.st_mode & S_IFMT == S_IFLNK)
        #expect(throws: PasswordProblem.self) { try PasswordFile.write([], to: "\(folder)/none/passwd") }
    }
}
