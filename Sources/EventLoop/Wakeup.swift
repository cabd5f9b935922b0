// How one thread wakes another that sleeps.

import CLinux
import Glibc

/// An eventfd.
package struct Wakeup: ~Copyable, Sendable {
    /// Readable once it was raised, until it is lowered.
    package let descriptor: Int32

    /// - Throws: where the process may have no more descriptors.
    package init() throws(SystemError) {
        // EFD_CLOEXEC and EFD_NONBLOCK have the values of O_CLOEXEC and O_NONBLOCK.
        descriptor = eventfd(0, O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw SystemError("create an event descriptor") }
    }

    deinit { close(descriptor) }

    package func raise() {
        var one: UInt64 = 1
        // Eight bytes of this frame. It fails only where the counter is full, and then it is raised already.
        _ = unsafe write(descriptor, &one, 8)
    }

    package func lower() {
        var count: UInt64 = 0
        // Eight bytes of this frame.
        _ = unsafe read(descriptor, &count, 8)
    }

    /// Until it is raised, or at most so long; -1: for ever. Lowers it.
    package func wait(milliseconds: Int32) { wait(milliseconds: milliseconds, or: -1) }

    /// The same, or until another descriptor is readable; -1: there is none.
    package func wait(milliseconds: Int32, or other: Int32) {
        var waiting = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: other, events: Int16(POLLIN), revents: 0),
        ]
        // Two descriptors are passed and counted as two; one below 0 is passed over.
        _ = unsafe poll(&waiting, 2, milliseconds)
        lower()
    }
}
