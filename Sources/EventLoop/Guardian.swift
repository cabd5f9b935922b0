// Whether a worker's supervisor lives. Where the service manager keeps the channels, they do not end with it, and the next
// supervisor takes over; but one that never comes must not leave workers behind.

import Glibc

/// The supervisor's process, as a worker sees it. Times in milliseconds.
package struct Guardian {
    /// How long a worker goes on without one.
    package static let patience: UInt64 = 30_000

    /// The process that is watched: the parent at first, then who says that it has taken over.
    private var process = getppid()
    private var goneSince: UInt64?

    package init() {}

    package mutating func adopted(by process: Int32) {
        self.process = process
        goneSince = nil
    }

    /// Whether there has been no supervisor for too long. To be called about once a second.
    /// - Parameter longer: beyond the usual patience.
    package mutating func isMissing(now: UInt64, longer: UInt64 = 0) -> Bool {
        // No signal is sent.
        guard kill(process, 0) != 0, errno == ESRCH else {
            goneSince = nil
            return false
        }
        let since = goneSince ?? now
        goneSince = since
        return now >= since + Self.patience + longer
    }
}
