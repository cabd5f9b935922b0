// `apusctl passwd`: sets the password of a user in a password file. Talks to no broker.

import ArgumentParser
import Glibc
import Passwords

struct Passwd: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Set or delete the password of a user in a password file.",
        discussion: """
            Asks for the password twice; where standard input is no terminal its first line is the password. A file that is \
            not there is made, for its owner alone: give it to the user that the broker runs as. The broker reads the file \
            at a reload. Example: apusctl passwd /etc/apus/passwd alice && apusctl reload
            """)

    @Argument(help: "The file that auth.password_file names.")
    var file: String

    @Argument(help: "The user's name.")
    var user: String

    @Flag(help: "Delete the user.")
    var delete = false

    @Flag(
        help: """
            Keep the password so that \(SCRAMKeys.method) is possible too, which does not send it: as keys instead of a \
            yescrypt hash.
            """)
    var scram = false

    /// What Debian's own passwords cost: some tens of milliseconds, 16 MiB.
    private static let yescryptCost = 5

    func validate() throws {
        if let problem = PasswordFile.problem(ofName: Array(user.utf8)) {
            throw ValidationError("a user can not be called \(escaped(user)): \(problem)")
        }
        if delete, scram { throw ValidationError("--delete and --scram exclude each other") }
    }

    func run() throws {
        let former = try content()
        var verifier: String?
        if !delete {
            let password = try PasswordPrompt.read(for: user)
            verifier = try Self.verifier(of: password, scram: scram)
        }
        let (bytes, wasThere) = PasswordFile.replacing(Array(user.utf8), with: verifier, in: former ?? [])
        guard !delete || wasThere else {
            throw Failure(.failed, "there is no user \(escaped(user)) in \(escaped(file))")
        }
        do throws(PasswordProblem) {
            try PasswordFile.write(bytes, to: file)
        } catch {
            throw Failure(.failed, escaped(error.description))
        }
        let done = delete ? "deleted" : wasThere ? "changed the password of" : "added"
        try Output.print("\(done) \(escaped(user)) in \(escaped(file)); `apusctl reload` lets the broker read it\n")
    }

    /// What the file has; nil where there is none.
    private func content() throws -> [UInt8]? {
        do throws(PasswordFile.Problems) {
            return try PasswordFile.bytes(of: file)
        } catch {
            // The path is a C string for the length of the call.
            guard unsafe access(file, F_OK) != 0, errno == ENOENT else {
                throw Failure(.failed, escaped(error.description))
            }
            return nil
        }
    }

    private static func verifier(of password: [UInt8], scram: Bool) throws -> String {
        if scram { return SCRAMKeys(password: password, salt: randomBytes(16)).description }
        guard let setting = Crypt.setting(cost: yescryptCost), let hash = Crypt.hash(password, setting) else {
            throw Failure(.failed, "this password can not be hashed: at most 512 bytes, and no NUL")
        }
        return hash
    }
}
