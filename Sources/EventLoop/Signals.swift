// Signals as events: blocked for the process, read from a descriptor that the loop watches.

import CLinux
import Glibc

/// A signalfd.
package struct Signals: ~Copyable {
    /// To be watched for `readable`.
    package let descriptor: Int32

    /// Blocks `signals` in this thread (call it before any other thread starts) and takes them as events.
    package init(_ signals: [Int32]) throws(SystemError) {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in signals { unsafe sigaddset(&set, signal) }
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        descriptor = unsafe signalfd(-1, &set, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
        guard descriptor >= 0 else { throw SystemError("create a signal descriptor") }
    }

    deinit { close(descriptor) }

    /// The next signal that has arrived, `nil` when there is none.
    package func next() -> Int32? {
        var info = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        return unsafe Glibc.read(descriptor, &info, size) == size ? Int32(info.ssi_signo) : nil
    }
}
