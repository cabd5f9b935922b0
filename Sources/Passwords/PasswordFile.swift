// The password file: a line `USER:HASH` for each user. Empty lines, and those that begin with #, are passed over. A value; who
// reads the file is ReadPasswordFile.swift.

/// The users of a file, and what is known of their passwords.
package struct PasswordFile: Equatable, Sendable {
    /// The longest that a user's name may be: as long as MQTT's strings.
    package static let longestName = 65_535

    /// By name. In bytes: composed and decomposed characters are different names to MQTT.
    package private(set) var users: [[UInt8]: Verifier] = [:]
    /// What the passwords of users that there are not are compared with, so that the answer takes as long: the form that the first
    /// user has.
    package private(set) var dummy: Verifier?
    /// Stands for the content, for what is to be the same whenever the same file is read.
    package private(set) var fingerprint: [UInt8] = []

    package init() {}

    /// What is wrong with a line.
    package struct Problem: Error, Equatable, CustomStringConvertible {
        package let file: String
        /// From 1; nil where the file as a whole is meant.
        package let line: Int?
        package let message: String

        package init(file: String, line: Int?, message: String) {
            self.file = file
            self.line = line
            self.message = message
        }

        package var description: String { file + (line.map { ":\($0)" } ?? "") + ": \(message)" }
    }

    /// All that is wrong with a file.
    package struct Problems: Error, Equatable, CustomStringConvertible {
        package let problems: [Problem]
        package init(_ problems: [Problem]) { self.problems = problems }
        /// A line each, the first few of them.
        package var description: String {
            let shown = problems.prefix(10).map(\.description)
            let more = problems.count - shown.count
            return (shown + (more > 0 ? ["and \(more) more lines like these"] : [])).joined(separator: "\n")
        }
    }

    /// - Parameter file: The name that problems bear.
    package init(_ bytes: [UInt8], file: String) throws(Problems) {
        var problems: [Problem] = []
        var places: [[UInt8]: Int] = [:]
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            do throws(PasswordProblem) {
                guard let (user, verifier) = try Self.entry(line) else { continue }
                if let first = places[user] {
                    throw PasswordProblem("this user stands in line \(first) already")
                }
                places[user] = index + 1
                users[user] = verifier
                if dummy == nil { dummy = verifier }
            } catch {
                problems.append(Problem(file: file, line: index + 1, message: error.description))
            }
        }
        guard problems.isEmpty else { throw Problems(problems) }
        fingerprint = SHA256.digest(bytes)
    }

    /// The user and the verifier of one line; nil: it has none.
    static func entry(_ line: some Collection<UInt8>) throws(PasswordProblem) -> (user: [UInt8], verifier: Verifier)? {
        var line = Array(line)
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        guard let first = line.first, first != UInt8(ascii: "#") else { return nil }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0 else {
            throw PasswordProblem("not USER:HASH")
        }
        guard !line.contains(0), let hash = String(validating: line[(colon + 1)...], as: UTF8.self),
            String(validating: line[..<colon], as: UTF8.self) != nil
        else { throw PasswordProblem("not valid UTF-8 text") }
        guard colon <= longestName else { throw PasswordProblem("a name of more than 65,535 bytes") }
        return (Array(line[..<colon]), try Verifier(hash))
    }
}
