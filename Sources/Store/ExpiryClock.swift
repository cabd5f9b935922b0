// The store's own clock of seconds, which goes on across restarts and power cuts: what expires, expires by it. A value
// without I/O, but for `ClockReading.current()`.

internal import CSQLite
internal import Glibc

/// What the machine's clocks say.
package struct ClockReading: Equatable, Sendable {
    /// CLOCK_REALTIME, seconds since 1970.
    package var wallSeconds: UInt64
    /// Of /proc/sys/kernel/random/boot_id: another at every boot.
    package var bootIdentifier: [UInt8]
    /// CLOCK_BOOTTIME: seconds since that boot, with those that the machine was suspended.
    package var bootSeconds: UInt64
    /// Whether the kernel believes the wall clock to be right (no STA_UNSYNC).
    package var isSynchronized: Bool

    package init(wallSeconds: UInt64, bootIdentifier: [UInt8], bootSeconds: UInt64, isSynchronized: Bool) {
        self.wallSeconds = wallSeconds
        self.bootIdentifier = bootIdentifier
        self.bootSeconds = bootSeconds
        self.isSynchronized = isSynchronized
    }

    /// Now: three cheap system calls.
    package static func current() -> ClockReading {
        var state = timex()
        // Safe: the kernel fills the whole value, and changes no clock: `modes` is 0.
        let isSynchronized = unsafe adjtimex(&state) >= 0 && state.status & STA_UNSYNC == 0
        return ClockReading(
            wallSeconds: seconds(CLOCK_REALTIME), bootIdentifier: boot, bootSeconds: seconds(CLOCK_BOOTTIME),
            isSynchronized: isSynchronized)
    }

    private static func seconds(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        // Safe: the kernel fills the whole value.
        _ = unsafe clock_gettime(clock, &time)
        return UInt64(max(time.tv_sec, 0))
    }

    /// Read once: it can not change while the process lives.
    private static let boot: [UInt8] = {
        // Safe: a constant string.
        let descriptor = unsafe open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 36)
        // Safe: the count is that of the array.
        return unsafe read(descriptor, &bytes, bytes.count) == bytes.count ? bytes : []
    }()
}

/// What of the clock is in the store: by it the next start finds its way.
package struct ClockMark: Equatable, Sendable {
    package var storeSeconds: UInt64
    package var wallSeconds: UInt64
    package var bootIdentifier: [UInt8]
    package var bootSeconds: UInt64

    package init(storeSeconds: UInt64, wallSeconds: UInt64, bootIdentifier: [UInt8], bootSeconds: UInt64) {
        self.storeSeconds = storeSeconds
        self.wallSeconds = wallSeconds
        self.bootIdentifier = bootIdentifier
        self.bootSeconds = bootSeconds
    }
}

/// Seconds by which sessions, wills and messages expire.
///
/// Within a boot it follows CLOCK_BOOTTIME, whatever is done to the wall clock. Across boots the wall clock says how long
/// the machine was off, but a machine without a battery starts in a wrong year: until its clock is synchronized, or
/// `patience` has passed, nothing may expire.
package struct ExpiryClock: Sendable {
    /// Seconds after a boot's first reading within which the wall clock may come to be synchronized.
    package static let patience: UInt64 = 60

    /// Where the clock stood at `base`.
    private var storeSeconds: UInt64
    private var base: UInt64
    private let bootIdentifier: [UInt8]
    /// The mark of another boot that is still to be compared with the wall clock.
    private var former: ClockMark?
    private let started: UInt64

    /// - Parameter saved: the store's mark; `nil` in a new store, whose clock starts at the wall clock's time.
    package init(saved: ClockMark?, reading: ClockReading) {
        started = reading.bootSeconds
        base = reading.bootSeconds
        bootIdentifier = reading.bootIdentifier
        guard let saved else {
            storeSeconds = max(reading.wallSeconds, 1)
            return
        }
        storeSeconds = saved.storeSeconds
        if saved.bootIdentifier == reading.bootIdentifier, !saved.bootIdentifier.isEmpty {
            storeSeconds += saturating(reading.bootSeconds, minus: saved.bootSeconds)
        } else {
            former = saved
            _ = now(reading)
        }
    }

    /// Whether anything may expire. Once true, always.
    package var isCertain: Bool { former == nil }

    /// The clock's seconds: never less than before, never 0.
    package mutating func now(_ reading: ClockReading) -> UInt64 {
        let elapsed = saturating(reading.bootSeconds, minus: base)
        if let former, reading.isSynchronized || saturating(reading.bootSeconds, minus: started) >= Self.patience {
            let byWall = former.storeSeconds + saturating(reading.wallSeconds, minus: former.wallSeconds)
            storeSeconds = max(storeSeconds + elapsed, byWall)
            base = reading.bootSeconds
            self.former = nil
            return storeSeconds
        }
        return storeSeconds + elapsed
    }

    /// What to hand to `Store.submit`; `nil` while the clock is not certain, so that the mark of the former boot stays.
    package mutating func mark(_ reading: ClockReading) -> ClockMark? {
        let now = now(reading)
        guard isCertain else { return nil }
        return ClockMark(
            storeSeconds: now, wallSeconds: reading.wallSeconds, bootIdentifier: bootIdentifier,
            bootSeconds: reading.bootSeconds)
    }
}

private func saturating(_ value: UInt64, minus other: UInt64) -> UInt64 { value > other ? value - other : 0 }
