// Standard output and standard error, unbuffered: what a command printed is out when it returns. A reader that went
// away ends the program by SIGPIPE, as for any filter.

import Glibc

/// Where a command prints.
package enum Output {
    /// Whether standard output is a terminal.
    package static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Prints text as it is.
    package static func print(_ text: String) throws(Failure) {
        try write(Array(text.utf8), to: STDOUT_FILENO)
    }

    /// Prints bytes as they are.
    package static func print(_ bytes: [UInt8]) throws(Failure) {
        try write(bytes, to: STDOUT_FILENO)
    }

    /// Prints a line to standard error; what can not be printed is lost.
    package static func complain(_ text: String) {
        try? write(Array("apusctl: \(text)\n".utf8), to: STDERR_FILENO)
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) throws(Failure) {
        var done = 0
        while done < bytes.count {
            // Unsafe: write(2) reads memory that lives for the call.
            let count = unsafe bytes[done...].withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if count >= 0 {
                done += count
            } else if errno == EAGAIN {
                // A terminal or pipe that someone else made non-blocking.
                var set = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&set, 1, -1)
            } else if errno != EINTR {
                throw Failure(.failed, "can not write to standard output: \(systemError())")
            }
        }
    }
}

/// What the system says about the last call that failed.
func systemError(_ code: Int32 = errno) -> String {
    unsafe String(cString: strerror(code))
}
