// Waking a thread that sleeps: the writer, the reader, or the router's loop.

internal import CSQLite
internal import EventLoop
internal import Glibc

/// An eventfd.
struct Wakeup: ~Copyable, Sendable {
    /// Readable once it was raised, until it is lowered.
    let descriptor: Int32

    init() throws(StoreError) {
        // EFD_CLOEXEC and EFD_NONBLOCK have the values of O_CLOEXEC and O_NONBLOCK.
        descriptor = eventfd(0, O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw .unusable("create an event descriptor", errorText(errno), advice: "raise LimitNOFILE")
        }
    }

    deinit { close(descriptor) }

    func raise() {
        var one: UInt64 = 1
        // Safe: eight bytes of this frame. It fails only where the counter is full, and then it is raised already.
        _ = unsafe write(descriptor, &one, 8)
    }

    func lower() {
        var count: UInt64 = 0
        // Safe: eight bytes of this frame.
        _ = unsafe read(descriptor, &count, 8)
    }

    /// Until it is raised, or at most so long; -1: for ever. Lowers it.
    func wait(milliseconds: Int32) {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        // Safe: one descriptor is passed and counted as one.
        _ = unsafe poll(&waiting, 1, milliseconds)
        lower()
    }
}

/// Starts a thread that takes no signals: those are for the loops.
/// - Returns: what `pthread_join` waits for.
func startThread(_ body: @escaping @Sendable () -> Void) throws(StoreError) -> pthread_t {
    final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    var all = sigset_t()
    var before = sigset_t()
    var thread = pthread_t()
    // Safe: the sets are values of this frame; the thread owns the one reference that it is passed.
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
    let reference = unsafe Unmanaged.passRetained(Body(body))
    let result = unsafe pthread_create(
        &thread, nil,
        { argument in
            unsafe Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
            return nil
        }, reference.toOpaque())
    unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
    guard result == 0 else {
        unsafe reference.release()
        throw .unusable("start a thread of the store", errorText(result), advice: "raise TasksMax")
    }
    return thread
}
