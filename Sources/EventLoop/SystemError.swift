// A system call that failed: which, on what, and why.

import Glibc

/// The failure of a system call.
package struct SystemError: Error, CustomStringConvertible, Equatable {
    /// The value of `errno`.
    package let code: Int32
    /// What was attempted, as words for a log: "bind 127.0.0.1:1883".
    package let operation: String

    package init(_ operation: String, code: Int32 = errno) {
        self.code = code
        self.operation = operation
    }

    package var description: String { "\(operation): \(errorText(code))" }
}

/// The words of the C library for an error number.
package func errorText(_ code: Int32) -> String {
    // strerror's text is constant for the numbers that Linux knows, and is copied at once.
    unsafe String(cString: strerror(code))
}
