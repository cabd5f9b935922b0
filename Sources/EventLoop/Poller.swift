// epoll, level-triggered: who is ready. Every loop of Apus turns around one of these.

package import CLinux
import Glibc

/// A set of descriptors and the kernel's word on which of them are ready.
///
/// Each descriptor is registered with a 64-bit tag of the caller's choice (a slot's index, a table's), which comes back
/// with its events.
@safe
package struct Poller: ~Copyable {
    /// What a descriptor is watched for, and what it is ready for.
    package struct Interest: OptionSet, Sendable {
        package let rawValue: UInt32
        @inlinable package init(rawValue: UInt32) { self.rawValue = rawValue }
        @inlinable package static var readable: Interest { Interest(rawValue: EPOLLIN.rawValue) }
        @inlinable package static var writable: Interest { Interest(rawValue: EPOLLOUT.rawValue) }
        /// The other end closed or failed; always reported.
        @inlinable package static var hangUp: Interest { Interest(rawValue: EPOLLHUP.rawValue | EPOLLERR.rawValue) }
    }

    @usableFromInline let descriptor: Int32
    /// Room for the events of one turn, allocated once.
    @usableFromInline let events: UnsafeMutablePointer<epoll_event>
    @usableFromInline let capacity: Int32

    /// - Parameter eventsPerTurn: the most events that one `wait` reports.
    /// - Throws: `SystemError` where the kernel has no descriptor left.
    package init(eventsPerTurn: Int32 = 512) throws(SystemError) {
        let descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw SystemError("create an epoll instance") }
        self.descriptor = descriptor
        capacity = eventsPerTurn
        unsafe events = .allocate(capacity: Int(eventsPerTurn))
    }

    deinit {
        Glibc.close(descriptor)
        unsafe events.deallocate()
    }

    package func add(_ target: Int32, _ interest: Interest, tag: UInt64) throws(SystemError) {
        try control(EPOLL_CTL_ADD, target, interest, tag)
    }

    package func modify(_ target: Int32, _ interest: Interest, tag: UInt64) throws(SystemError) {
        try control(EPOLL_CTL_MOD, target, interest, tag)
    }

    /// Forgets a descriptor. With duplicates of it in other processes, closing alone would leave it registered.
    package func remove(_ target: Int32) {
        var event = unsafe epoll_event()
        _ = unsafe epoll_ctl(descriptor, EPOLL_CTL_DEL, target, &event)
    }

    /// Waits until something is ready or `milliseconds` have passed (-1: for ever, 0: only looks).
    /// - Returns: how many events there are, to be read with `tag(_:)` and `readiness(_:)`; 0 also after a signal.
    @inlinable
    package mutating func wait(milliseconds: Int32) throws(SystemError) -> Int {
        let count = unsafe epoll_wait(descriptor, events, capacity, milliseconds)
        if count < 0 {
            guard errno == EINTR else { throw SystemError("wait for events") }
            return 0
        }
        return Int(count)
    }

    @inlinable @inline(__always)
    package func tag(_ index: Int) -> UInt64 {
        precondition(index < Int(capacity))
        return unsafe events[index].data.u64
    }

    @inlinable @inline(__always)
    package func readiness(_ index: Int) -> Interest {
        precondition(index < Int(capacity))
        return unsafe Interest(rawValue: events[index].events)
    }

    private func control(
        _ operation: Int32, _ target: Int32, _ interest: Interest, _ tag: UInt64
    ) throws(SystemError) {
        var event = unsafe epoll_event()
        unsafe event.events = interest.rawValue
        unsafe event.data.u64 = tag
        guard unsafe epoll_ctl(descriptor, operation, target, &event) == 0 else {
            throw SystemError("watch descriptor \(target)")
        }
    }
}
