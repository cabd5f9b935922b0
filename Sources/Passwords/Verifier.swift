// What a password file has of one password, in each of the forms that are known, and whether a password is the one. Costs as much
// time as its form asks for: to be called beside a loop, not in it.

/// One user's password, as the file has it.
package enum Verifier: Equatable, Sendable {
    /// crypt(3): `$y$…` (yescrypt), `$6$…`, and what else the system knows.
    case crypt(String)
    /// Mosquitto's `$6$SALT$HASH`: SHA-512 of the password and the salt, both in base64.
    case saltedSHA512(salt: [UInt8], hash: [UInt8])
    /// Mosquitto's `$7$ITERATIONS$SALT$HASH`: PBKDF2 with HMAC-SHA-512.
    case pbkdf2SHA512(iterations: Int, salt: [UInt8], hash: [UInt8])
    case scram(SCRAMKeys)

    /// What a PBKDF2 hash may cost.
    private static let allowedIterations = 1...10_000_000

    /// - Throws: where the text is of no form that is known, in words.
    package init(_ text: String) throws(PasswordProblem) {
        if text.hasPrefix(SCRAMKeys.method) {
            guard let keys = SCRAMKeys(text) else {
                throw PasswordProblem(
                    "not \(SCRAMKeys.method)$ITERATIONS:SALT$STOREDKEY:SERVERKEY with 4096 iterations or more")
            }
            self = .scram(keys)
        } else if let mosquitto = Self.mosquitto(text) {
            self = mosquitto
        } else if text.hasPrefix("$"), Crypt.knows(text), Self.isComplete(text) {
            self = .crypt(text)
        } else {
            throw PasswordProblem("not a hash of a kind that is known; `apusctl passwd` writes one")
        }
    }

    /// Of crypt's hashes those have other lengths, and neither `=` nor `+`.
    private static func mosquitto(_ text: String) -> Verifier? {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[0].isEmpty, let hash = Base64.decoded(parts[parts.count - 1].utf8),
            hash.count == SHA512.byteCount, let salt = Base64.decoded(parts[parts.count - 2].utf8), !salt.isEmpty
        else { return nil }
        switch (parts[1], parts.count) {
        case ("6", 4): return .saltedSHA512(salt: salt, hash: hash)
        case ("7", 5):
            guard let iterations = Int(parts[2]), allowedIterations.contains(iterations) else { return nil }
            return .pbkdf2SHA512(iterations: iterations, salt: salt, hash: hash)
        default: return nil
        }
    }

    /// A setting without its hash would be no password's: that must not look like one that nobody knows.
    private static func isComplete(_ text: String) -> Bool {
        let last = text.split(separator: "$", omittingEmptySubsequences: false).last ?? ""
        return last.utf8.count >= 22
    }

    /// Whether `password` is the one.
    package func accepts(_ password: [UInt8]) -> Bool {
        switch self {
        case .crypt(let hash):
            guard let found = Crypt.hash(password, hash) else { return false }
            return isSame(Array(found.utf8), Array(hash.utf8))
        case .saltedSHA512(let salt, let hash): return isSame(SHA512.digest(password + salt), hash)
        case .pbkdf2SHA512(let iterations, let salt, let hash):
            return isSame(SHA512.pbkdf2(password: password, salt: salt, iterations: iterations), hash)
        case .scram(let keys):
            let found = SCRAMKeys(password: password, salt: keys.salt, iterations: keys.iterations)
            return isSame(found.storedKey, keys.storedKey)
        }
    }

    /// As it stands in a file.
    package var text: String? {
        switch self {
        case .crypt(let hash): hash
        case .scram(let keys): keys.description
        // They are read, and not written.
        case .saltedSHA512, .pbkdf2SHA512: nil
        }
    }
}

/// What is wrong, in words.
package struct PasswordProblem: Error, Equatable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
