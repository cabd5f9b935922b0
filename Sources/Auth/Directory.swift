// Who there is, by the password file that is in force. A value.

internal import Passwords

struct Directory {
    private let file: PasswordFile

    init(_ file: PasswordFile = PasswordFile()) { self.file = file }

    var count: Int { file.users.count }

    /// What a user's password is compared with; where there is no such user, that of another one, so that it takes as long.
    func verifier(of user: [UInt8]) -> (verifier: Verifier?, isKnown: Bool) {
        guard let verifier = file.users[user] else { return (file.dummy, false) }
        return (verifier, true)
    }

    /// What a user's proof is compared with. Where there is no such user, or none whose password is kept for SCRAM, it is
    /// made up: always the same for the same name, as long as the file is the same.
    func keys(of user: [UInt8]) -> (keys: SCRAMKeys, isKnown: Bool) {
        if case .scram(let keys)? = file.users[user] { return (keys, true) }
        var iterations = SCRAMKeys.defaultIterations
        if case .scram(let usual)? = file.dummy { iterations = usual.iterations }
        let salt = Array(SHA256.hmac(key: file.fingerprint, user).prefix(16))
        let unknown = SHA256.hmac(key: file.fingerprint, [0] + user)
        return (SCRAMKeys(iterations: iterations, salt: salt, storedKey: unknown, serverKey: unknown), false)
    }
}
