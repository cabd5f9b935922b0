// Tells systemd how the service fares. The supervisor calls it; without systemd (no NOTIFY_SOCKET) every call does
// nothing. Nothing here is fatal: a service manager that does not listen must not stop the broker.

internal import CSystemd
internal import Glibc

package enum Notify {
    /// What can be said; see sd_notify(3).
    package enum State: Sendable, Equatable {
        /// The service serves. Only then do units that wait for it start.
        case ready
        /// One line for `systemctl status`; line breaks become spaces.
        case status(String)
        /// Still alive; due at least every ``WatchdogInterval``.
        case watchdog
        case stopping
        /// A reload has begun; `ready` ends it.
        case reloading
        /// How much longer starting, reloading or stopping may take than the unit says.
        case extendTimeout(Duration)
        /// The error of a system call that the service fails for, by its number; `systemctl status` shows it in words.
        case error(Int32)
        /// What the process is about to exit with.
        case exitStatus(Int32)

        /// The assignments of sd_notify(3), a line each.
        var text: String {
            switch self {
            case .ready: "READY=1"
            case .status(let line): "STATUS=" + String(line.map { $0.isNewline ? " " : $0 })
            case .watchdog: "WATCHDOG=1"
            case .stopping: "STOPPING=1"
            case .reloading: "RELOADING=1\nMONOTONIC_USEC=\(Notify.monotonicMicroseconds())"
            case .error(let number): "ERRNO=\(number)"
            case .exitStatus(let status): "EXIT_STATUS=\(status)"
            case .extendTimeout(let duration): "EXTEND_TIMEOUT_USEC=\(Notify.microseconds(duration))"
            }
        }
    }

    /// Sends what may as well be said later, without waiting for a service manager that takes nothing now.
    /// - Returns: whether one was told.
    @discardableResult
    package static func sendAtOnce(_ state: State) -> Bool {
        // Safe: the string is a C string for the length of the call.
        unsafe apus_notify(state.text, -1) > 0
    }

    /// Sends the states in one message, so that systemd sees them at once. Where its queue is full, waits: these are for
    /// changes that must not be lost.
    /// - Returns: whether a service manager was told; false where there is none or its socket refused.
    @discardableResult
    package static func send(_ states: State...) -> Bool {
        // Safe: the string is a C string for the length of the call, and sd_notify copies it.
        unsafe sd_notify(0, states.map(\.text).joined(separator: "\n")) > 0
    }

    /// Whether there is a service manager that wants to hear of it.
    package static var isListening: Bool {
        // Safe: the environment is not changed while threads run.
        unsafe getenv("NOTIFY_SOCKET") != nil
    }

    private static func monotonicMicroseconds() -> Int {
        var now = timespec()
        // Safe: the kernel fills the whole value, and CLOCK_MONOTONIC always exists.
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        return now.tv_sec * 1_000_000 + now.tv_nsec / 1000
    }

    private static func microseconds(_ duration: Duration) -> Int64 {
        duration.components.seconds * 1_000_000 + duration.components.attoseconds / 1_000_000_000_000
    }
}
