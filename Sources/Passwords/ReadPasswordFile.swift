// Reads a password file. Called by auth, and by apusctl.

import Glibc

extension PasswordFile {
    /// What is larger is some other file: bytes.
    package static let largest = 256 << 20

    /// Reads and checks a file.
    /// - Throws: where it can not be read, or a line is wrong.
    package static func read(_ path: String) throws(Problems) -> PasswordFile {
        try PasswordFile(try bytes(of: path), file: path)
    }

    /// A file's content, as it is.
    package static func bytes(of path: String) throws(Problems) -> [UInt8] {
        func fail(_ message: String) -> Problems { Problems([Problem(file: path, line: nil, message: message)]) }
        // strerror answers every number with a C string; the path is a C string for the length of the call.
        func reason() -> String { unsafe String(cString: strerror(errno)) }
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw fail("can not be opened: \(reason())") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            // The call is told the size of the chunk.
            let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw fail("can not be read: \(reason())") }
            if count == 0 { return bytes }
            bytes += chunk.prefix(count)
            guard bytes.count <= largest else { throw fail("is larger than 256 MiB: not a password file") }
        }
    }
}
