// Who is at the other end of a Unix socket, by the kernel's word, and whether that is an operator. Called by the
// supervisor for every control connection, besides the file mode of the socket.

import Glibc

/// The user and the groups of the process that made a connection, at the time it did.
package struct PeerCredentials: Equatable, Sendable {
    package var process: Int32
    package var user: UInt32
    /// Its group and its supplementary groups.
    package var groups: [UInt32]

    package init(process: Int32, user: UInt32, groups: [UInt32]) {
        self.process = process
        self.user = user
        self.groups = groups
    }

    /// Asks the kernel about a connected Unix socket; nil where it is not one.
    package init?(of descriptor: Int32) {
        // struct ucred: process, user, group. Unsafe: getsockopt(2) writes into memory that lives for the call.
        var credentials: (pid_t, uid_t, gid_t) = (0, 0, 0)
        var size = socklen_t(MemoryLayout.size(ofValue: credentials))
        guard unsafe getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 else { return nil }

        // NGROUPS_MAX is 65,536; a peer in more groups than the buffer holds is judged by its first group alone.
        var groups = [gid_t](repeating: 0, count: 1024)
        size = socklen_t(groups.count * MemoryLayout<gid_t>.stride)
        let answered = unsafe getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, &groups, &size) == 0
        let known = answered ? groups.prefix(Int(size) / MemoryLayout<gid_t>.stride) : []
        self.init(process: credentials.0, user: credentials.1, groups: [credentials.2] + known)
    }

    /// Whether this peer may operate the broker: root, the broker's own user, or a member of the broker's group.
    ///
    /// - Parameters:
    ///   - owner: the broker's user.
    ///   - group: the group that the socket's file belongs to, nil where only the user may (mode 0600).
    package func mayOperate(owner: UInt32, group: UInt32?) -> Bool {
        user == 0 || user == owner || group.map(groups.contains) ?? false
    }
}
