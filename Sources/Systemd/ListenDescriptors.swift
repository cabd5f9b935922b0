// Takes the descriptors that systemd passed: listening sockets, later whatever the descriptor store kept. The
// supervisor calls it once, before it starts a thread or a worker.

internal import CSystemd
internal import Glibc

/// One descriptor that systemd passed.
package struct ListenDescriptor: Sendable, Equatable {
    /// Its `FileDescriptorName=`; "unknown" where the unit gives none. Several may share a name.
    package let name: String
    package let descriptor: Int32

    package init(name: String, descriptor: Int32) {
        self.name = name
        self.descriptor = descriptor
    }
}

package enum ListenDescriptors {
    /// The descriptors in systemd's order, close-on-exec, owned by the caller. The environment forgets them, so that
    /// no worker takes them for its own, and a second call finds none.
    package static func take() -> [ListenDescriptor] {
        var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        // Safe: the library allocates the array and each name; all are freed below.
        let count = unsafe sd_listen_fds_with_names(1, &names)
        guard count > 0, let names = unsafe names else { return [] }
        defer { unsafe free(names) }
        return (0..<Int(count)).map { index in
            defer { unsafe free(names[index]) }
            let name = unsafe names[index].map { unsafe String(cString: $0) } ?? "unknown"
            return ListenDescriptor(name: name, descriptor: SD_LISTEN_FDS_START + Int32(index))
        }
    }
}
