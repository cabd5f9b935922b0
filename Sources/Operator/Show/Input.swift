// Bytes from files and standard input, whole or by lines; they need not be text.

import Glibc

/// A file that is being read by lines.
struct Input {
    private let descriptor: Int32
    private var bytes: [UInt8] = []
    private var start = 0
    private var atEnd = false

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// The next line without its line feed; nil at the end. What follows the last line feed is a line too.
    mutating func nextLine() throws(Failure) -> [UInt8]? {
        var searched = start
        while true {
            if let end = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { start = end + 1 }
                return Array(bytes[start..<end])
            }
            if atEnd {
                defer { start = bytes.count }
                return start < bytes.count ? Array(bytes[start...]) : nil
            }
            bytes.removeFirst(start)
            start = 0
            searched = bytes.count
            atEnd = try !Self.read(descriptor, "standard input", into: &bytes)
        }
    }

    /// All of a file; `-` is standard input.
    static func readAll(_ path: String) throws(Failure) -> [UInt8] {
        let descriptor = path == "-" ? STDIN_FILENO : unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(.failed, "can not open \(escaped(path)): \(systemError())") }
        defer { if path != "-" { _ = close(descriptor) } }
        var bytes: [UInt8] = []
        while try read(descriptor, path, into: &bytes) {}
        return bytes
    }

    /// Appends what is there; false at the end.
    private static func read(
        _ descriptor: Int32, _ name: String, into bytes: inout [UInt8]
    ) throws(Failure) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            // Unsafe: read(2) writes into memory that lives for the call.
            let count = unsafe chunk.withUnsafeMutableBytes {
                unsafe Glibc.read(descriptor, $0.baseAddress, $0.count)
            }
            if count >= 0 {
                bytes += chunk[..<count]
                return count > 0
            }
            guard errno == EINTR else {
                throw Failure(.failed, "can not read \(escaped(name)): \(systemError())")
            }
        }
    }
}
