// SCRAM's server side: the example of RFC 7677, and everything that a client may get wrong.

import Passwords
import Testing

@testable import Auth

@Suite struct SCRAMTests {
    private let keys = SCRAMKeys(password: Array("pencil".utf8), salt: Base64.decoded("W22ZaJ0SNY7soEsUEjb6gQ==".utf8)!)
    private let nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"

    private func server() -> SCRAMServer { SCRAMServer(nonce: Array(nonce.utf8)) }

    private func known(_ user: [UInt8]) -> (keys: SCRAMKeys, isKnown: Bool) { (keys, user == Array("user".utf8)) }

    /// What a client that knows the password says last.
    private func last(
        _ first: String, _ challenge: [UInt8], password: String = "pencil", nonce: String? = nil, header: String = "n,,"
    ) -> [UInt8] {
        let text = String(decoding: challenge, as: UTF8.self)
        let parts = text.split(separator: ",").map { $0.dropFirst(2) }
        let salted = SHA256.pbkdf2(
            password: Array(password.utf8), salt: Base64.decoded(parts[1].utf8)!, iterations: Int(parts[2])!)
        let key = SHA256.hmac(key: salted, Array("Client Key".utf8))
        let channel = String(decoding: Base64.encoded(Array(header.utf8)), as: UTF8.self)
        let end = "c=\(channel),r=\(nonce ?? String(parts[0]))"
        let bare = first.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false)[2]
        let signature = SHA256.hmac(key: SHA256.digest(key), Array("\(bare),\(text),\(end)".utf8))
        let proof = Base64.encoded(zip(key, signature).map { $0 ^ $1 })
        return Array("\(end),p=".utf8) + proof
    }

    @Test func theExampleOfRFC7677() {
        var server = server()
        let first = server.received(Array("n,,n=user,r=rOprNGfwEbeRWgbNEkqO".utf8), keys: known)
        #expect(
            first
                == .challenge(
                    Array("r=rOprNGfwEbeRWgbNEkqO\(nonce),s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".utf8)))
        let last = server.received(
            Array("c=biws,r=rOprNGfwEbeRWgbNEkqO\(nonce),p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=".utf8),
            keys: known)
        #expect(last == .accept(Array("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".utf8)))
        #expect(server.user == Array("user".utf8))
    }

    @Test(arguments: ["n,,n=user,r=abc", "y,,n=user,r=abc", "n,a=user,n=user,r=abc", "n,,n=user,r=abc,x=more"])
    func whatClientsMaySay(_ first: String) {
        var server = server()
        guard case .challenge(let challenge) = server.received(Array(first.utf8), keys: known) else {
            Issue.record("no challenge")
            return
        }
        let header = first.split(separator: ",", omittingEmptySubsequences: false)[..<2].joined(separator: ",") + ","
        guard case .accept = server.received(last(first, challenge, header: header), keys: known) else {
            Issue.record("not accepted")
            return
        }
    }

    @Test(arguments: [
        ("", SCRAMFailure.malformed), ("n", .malformed), ("n,,", .malformed), ("n,,n=user", .malformed),
        ("n,,n=,r=abc", .malformed), ("n,,n=user,r=", .malformed), ("n,,r=abc,n=user", .malformed),
        ("x,,n=user,r=abc", .malformed), ("n,,m=x,n=user,r=abc", .malformed), ("n,,n=us=2cer,r=abc", .malformed),
        ("n,,n=user=,r=abc", .malformed), ("n,,n=user,r=a b", .malformed), ("n,,n=user,r=a\u{E4}", .malformed),
        ("n,,n=us\u{0}er,r=abc", .malformed), ("p=tls-unique,,n=user,r=abc", .noChannelBinding),
        ("n,a=root,n=user,r=abc", .notAllowed), ("n,root,n=user,r=abc", .malformed),
    ])
    func aFirstMessageThatIsRefused(_ first: String, _ failure: SCRAMFailure) {
        var server = server()
        #expect(server.received(Array(first.utf8), keys: known) == .refuse(failure))
        // It is over then, whatever comes.
        #expect(server.received(Array("n,,n=user,r=abc".utf8), keys: known) == .refuse(.malformed))
    }

    @Test func namesMayHaveCommasAndEqualsSigns() {
        var server = server()
        _ = server.received(Array("n,,n=a=2Cb=3Dc,r=abc".utf8), keys: known)
        #expect(server.user == Array("a,b=c".utf8))
    }

    @Test func aLastMessageThatIsRefused() {
        let first = "n,,n=user,r=abc"
        let cases: [(SCRAMFailure, ([UInt8]) -> [UInt8])] = [
            (.wrong, { self.last(first, $0, password: "pencils") }),
            (.malformed, { self.last(first, $0, nonce: "abc") }),
            (.malformed, { self.last(first, $0, header: "y,,") }),
            (.malformed, { self.last(first, $0, header: "n,a=user,") }),
            (.malformed, { _ in [] }), (.malformed, { _ in Array("c=biws".utf8) }),
            (.malformed, { _ in Array("c=biws,r=abc\(self.nonce),p=AAAA".utf8) }),
            (.malformed, { self.last(first, $0).dropLast(2) + Array("==".utf8) }),
        ]
        for (failure, make) in cases {
            var server = server()
            guard case .challenge(let challenge) = server.received(Array(first.utf8), keys: known) else {
                Issue.record("no challenge")
                continue
            }
            #expect(server.received(make(challenge), keys: known) == .refuse(failure))
            #expect(server.received(last(first, challenge), keys: known) == .refuse(.malformed))
        }
    }

    @Test func aUserThatThereIsNotIsRefusedAtTheEnd() {
        var server = server()
        guard case .challenge(let challenge) = server.received(Array("n,,n=nobody,r=abc".utf8), keys: known) else {
            Issue.record("no challenge")
            return
        }
        // Even where the password fits what it was compared with.
        #expect(server.received(last("n,,n=nobody,r=abc", challenge), keys: known) == .refuse(.wrong))
    }

    @Test func whatIsMadeUpForAUserIsAlwaysTheSame() throws {
        let text = "alice:\(keys.description)\nbob:\(PasswordHashes.yescrypt)\n"
        let one = Directory(try PasswordFile(Array(text.utf8), file: "passwd"))
        let other = Directory(try PasswordFile(Array(text.utf8), file: "passwd"))
        #expect(one.keys(of: Array("alice".utf8)) == (keys, true))
        for user in ["bob", "nobody"] {
            let made = one.keys(of: Array(user.utf8))
            #expect(!made.isKnown && made == other.keys(of: Array(user.utf8)))
            #expect(made.keys.iterations == keys.iterations && made.keys.salt.count == 16)
        }
        #expect(one.keys(of: Array("bob".utf8)).keys.salt != one.keys(of: Array("nobody".utf8)).keys.salt)
    }
}

enum PasswordHashes {
    /// Of `correct horse`.
    static let yescrypt = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79"
}
