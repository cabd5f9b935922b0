// Threads beside the loop.

import CLinux
import Glibc

/// A thread that takes no signals: those are for the loops.
package struct Thread: Sendable {
    private let handle: pthread_t

    /// Starts it.
    /// - Throws: where there may be no more of them.
    package init(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
        final class Body {
            let run: @Sendable () -> Void
            init(_ run: @escaping @Sendable () -> Void) { self.run = run }
        }
        var all = sigset_t()
        var before = sigset_t()
        var handle = pthread_t()
        // The sets are values of this frame; the thread owns the one reference that it is passed.
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        let reference = unsafe Unmanaged.passRetained(Body(body))
        let result = unsafe pthread_create(
            &handle, nil,
            { argument in
                unsafe Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, reference.toOpaque())
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
        guard result == 0 else {
            unsafe reference.release()
            throw SystemError("start a thread", code: result)
        }
        self.handle = handle
    }

    /// Waits for its end. Once.
    package func join() { pthread_join(handle, nil) }
}
