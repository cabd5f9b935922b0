// Time as the loops use it: milliseconds of a clock that never goes back.

import Glibc

/// Milliseconds since the machine started, without the time it was suspended (CLOCK_MONOTONIC).
package func monotonicMilliseconds() -> UInt64 { read(CLOCK_MONOTONIC) / 1_000_000 }

/// The same, read from the kernel's last tick: up to 4 ms late and several times cheaper.
package func coarseMilliseconds() -> UInt64 { read(CLOCK_MONOTONIC_COARSE) / 1_000_000 }

/// Nanoseconds since 1970 (CLOCK_REALTIME), which may jump, also back.
package func wallNanoseconds() -> UInt64 { read(CLOCK_REALTIME) }

private func read(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    _ = unsafe clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
