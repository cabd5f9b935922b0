// What is wrong with a configuration, all of it at once. apusd prints it and exits with status 78 (EX_CONFIG).

/// Everything that was found wrong in one file, in the order of its lines; at least one problem.
package struct ConfigurationErrors: Error, Sendable, Equatable, CustomStringConvertible {
    package struct Problem: Sendable, Equatable, CustomStringConvertible {
        package let file: String
        /// From 1; nil where the file as a whole is meant.
        package let line: Int?
        /// As `limits.packet_size` or `listener[1].bind` (from 0); empty where no key is meant.
        package let key: String
        /// What is wrong, and what is allowed.
        package let message: String

        /// `file:line: key: message`
        package var description: String {
            var text = file
            if let line { text += ":\(line)" }
            if !key.isEmpty { text += ": \(key)" }
            return text + ": \(message)"
        }
    }

    package let problems: [Problem]

    /// One problem a line, without a line break at the end.
    package var description: String { problems.map(\.description).joined(separator: "\n") }
}
