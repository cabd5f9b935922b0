// Which file a program is, so that a process and what now lies at its path can be compared. A process says it of itself:
// nobody else may be able to look, as /proc hides processes of other user namespaces.

internal import Glibc

/// What the kernel tells files apart by, as long as they are open or linked.
package struct FileIdentity: Equatable, Sendable {
    package var device: UInt64
    package var inode: UInt64

    package init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }

    /// The file at a path; nil where there is none, or it can not be seen.
    package init?(path: String) {
        var found = stat()
        // The call fills the value, or fails.
        guard unsafe stat(path, &found) == 0 else { return nil }
        self.init(device: UInt64(found.st_dev), inode: UInt64(found.st_ino))
    }

    /// The program that this process runs; zeros where /proc is not there.
    package static let ofThisProcess = Self(path: "/proc/self/exe") ?? Self(device: 0, inode: 0)
}
