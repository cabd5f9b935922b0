// Writes entries with fields to systemd's journal. Only the Journal module's writing thread calls it: it may block.

internal import CSystemd
internal import Glibc

package enum JournalSocket {
    /// Sends one entry, each element a field as `NAME=value` in UTF-8; values may hold any byte.
    /// - Returns: whether the journal took it. There is nothing to be done where it did not.
    package static func send(_ fields: [String]) -> Bool {
        let bytes = fields.map { Array($0.utf8) }
        let flat = bytes.flatMap { $0 }
        return unsafe flat.withUnsafeBytes { buffer in
            var offset = 0
            let vectors = unsafe bytes.map { field in
                defer { offset += field.count }
                // Safe: within the buffer, whose parts are these fields in order. writev only reads.
                return unsafe iovec(
                    iov_base: UnsafeMutableRawPointer(mutating: buffer.baseAddress?.advanced(by: offset)),
                    iov_len: field.count)
            }
            return unsafe sd_journal_sendv(vectors, Int32(vectors.count)) == 0
        }
    }

    /// Waits until the journal has read all that was sent to it, a second at most.
    package static func settle() {
        // Safe: the call has no pointers.
        apus_settle_journal()
    }

    /// Names the stream behind which somebody puts into the journal what is written to it, as `JOURNAL_STREAM` does for
    /// systemd's own.
    private static let relayVariable = "APUS_JOURNAL_STREAM"

    /// Whether standard error leads to the journal, so that native entries are better than lines.
    package static func isStandardError() -> Bool {
        // Safe: the environment is not changed while threads run.
        ["JOURNAL_STREAM", relayVariable].contains { variable in
            guard let value = unsafe getenv(variable), let name = name(of: STDERR_FILENO) else { return false }
            return unsafe String(cString: value) == name
        }
    }

    /// Lets processes that are started from now on know that this descriptor, where it is their standard error, leads to the
    /// journal. To be called while no other thread reads the environment.
    package static func relays(_ descriptor: Int32) {
        guard let name = name(of: descriptor) else { return }
        // Safe: both are C strings for the length of the call, which copies them.
        _ = unsafe setenv(relayVariable, name, 1)
    }

    private static func name(of descriptor: Int32) -> String? {
        var status = stat()
        // Safe: fstat fills the whole value or fails.
        guard unsafe fstat(descriptor, &status) == 0 else { return nil }
        return "\(status.st_dev):\(status.st_ino)"
    }
}
