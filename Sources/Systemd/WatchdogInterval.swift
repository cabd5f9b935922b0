// How often systemd wants to hear that the service lives (WatchdogSec= of the unit). The supervisor reads it once.

internal import CSystemd

package enum WatchdogInterval {
    /// The unit's limit; `WATCHDOG=1` must come more often, half of it is usual. nil where no watchdog is asked for,
    /// or where it is meant for another process.
    package static func read() -> Duration? {
        var microseconds: UInt64 = 0
        // Safe: it writes one 64-bit integer. 0 leaves the environment as it is; children are told apart by PID.
        guard unsafe sd_watchdog_enabled(0, &microseconds) > 0 else { return nil }
        return .microseconds(Int64(clamping: microseconds))
    }
}
