// Asks for a password: on a terminal twice and without showing it, else the first line of standard input is it.

import Glibc

enum PasswordPrompt {
    /// The terminal as it was; for the handler of a signal that comes while nothing is shown.
    private nonisolated(unsafe) static var before = termios()

    /// - Throws: where there is none, or the two are not the same.
    static func read(for user: String) throws(Failure) -> [UInt8] {
        var input = Input(STDIN_FILENO)
        guard isatty(STDIN_FILENO) == 1 else {
            guard let line = try input.nextLine(), !line.isEmpty else {
                throw Failure(.failed, "standard input has no password")
            }
            return line.last == UInt8(ascii: "\r") ? Array(line.dropLast()) : line
        }
        let first = try ask("Password for \(escaped(user)): ", &input)
        guard !first.isEmpty else { throw Failure(.failed, "an empty password is none; nothing was changed") }
        guard try ask("Again: ", &input) == first else {
            throw Failure(.failed, "the two passwords are not the same; nothing was changed")
        }
        return first
    }

    private static func ask(_ question: String, _ input: inout Input) throws(Failure) -> [UInt8] {
        hide()
        defer { show() }
        say(question)
        guard let line = try input.nextLine() else {
            throw Failure(.failed, "no password was given; nothing was changed")
        }
        return line
    }

    /// Shows nothing of what is typed from here on. A signal that ends the process puts the terminal back first.
    private static func hide() {
        // One value of its type is read and written each time; the handler makes only calls that it may (signal-safety(7)).
        _ = unsafe tcgetattr(STDIN_FILENO, &before)
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            signal(number) { number in
                _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &PasswordPrompt.before)
                signal(number, SIG_DFL)
                raise(number)
            }
        }
        var hidden = unsafe before
        hidden.c_lflag &= ~tcflag_t(ECHO)
        _ = unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden)
    }

    private static func show() {
        // As above.
        _ = unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] { signal(number, SIG_DFL) }
        say("\n")
    }

    private static func say(_ text: String) {
        let bytes = Array(text.utf8)
        // The call is told the size of the bytes.
        _ = unsafe write(STDERR_FILENO, bytes, bytes.count)
    }
}
