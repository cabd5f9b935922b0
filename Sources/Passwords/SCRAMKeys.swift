// What a server keeps of a password for SCRAM-SHA-256 (RFC 5802 §3, RFC 7677): enough to check a proof, not to make one. The text
// is PostgreSQL's: `SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY`, the last three in base64.

/// The keys of one user.
package struct SCRAMKeys: Equatable, Sendable {
    /// The method's name, in MQTT and in the password file.
    package static let method = "SCRAM-SHA-256"
    /// RFC 7677 §4: at least 4096.
    package static let defaultIterations = 4096
    /// More would only cost the client time.
    package static let allowedIterations = 4096...10_000_000

    /// What the client is told, with the salt, to make its keys of the password.
    package let iterations: Int
    package let salt: [UInt8]
    /// The digest of the key by which the client proves that it knows the password.
    package let storedKey: [UInt8]
    /// The key by which the server proves that it knows the user.
    package let serverKey: [UInt8]

    package init(iterations: Int, salt: [UInt8], storedKey: [UInt8], serverKey: [UInt8]) {
        self.iterations = iterations
        self.salt = salt
        self.storedKey = storedKey
        self.serverKey = serverKey
    }

    /// Those of a password. As it is: what is not ASCII is not prepared (RFC 5802 §2.2).
    package init(password: [UInt8], salt: [UInt8], iterations: Int = defaultIterations) {
        let salted = SHA256.pbkdf2(password: password, salt: salt, iterations: iterations)
        self.init(
            iterations: iterations, salt: salt,
            storedKey: SHA256.digest(SHA256.hmac(key: salted, Array("Client Key".utf8))),
            serverKey: SHA256.hmac(key: salted, Array("Server Key".utf8)))
    }

    /// Nil where the text is none, or has fewer iterations than RFC 7677 asks for.
    package init?(_ text: String) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == Self.method else { return nil }
        let cost = parts[1].split(separator: ":", omittingEmptySubsequences: false)
        let keys = parts[2].split(separator: ":", omittingEmptySubsequences: false)
        guard cost.count == 2, keys.count == 2,
            let iterations = Int(cost[0]), Self.allowedIterations.contains(iterations),
            let salt = Base64.decoded(cost[1].utf8), !salt.isEmpty,
            let storedKey = Base64.decoded(keys[0].utf8), storedKey.count == SHA256.byteCount,
            let serverKey = Base64.decoded(keys[1].utf8), serverKey.count == SHA256.byteCount
        else { return nil }
        self.init(iterations: iterations, salt: salt, storedKey: storedKey, serverKey: serverKey)
    }

    /// As it stands in a password file.
    package var description: String {
        func text(_ bytes: [UInt8]) -> String { String(decoding: Base64.encoded(bytes), as: UTF8.self) }
        return "\(Self.method)$\(iterations):\(text(salt))$\(text(storedKey)):\(text(serverKey))"
    }
}
