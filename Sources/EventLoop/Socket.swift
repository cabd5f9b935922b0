// Reading and writing sockets with spans.

private import CLinux
import Glibc

/// What a call on a non-blocking socket came to.
package enum Transfer: Equatable {
    /// So many bytes; never 0.
    case bytes(Int)
    /// Nothing to read, or no room to write, for now.
    case wouldBlock
    /// Reading: the other end has finished. Writing: it is gone.
    case ended
    /// The connection broke: errno.
    case failed(Int32)
}

/// Reads what has arrived, up to the length of `span`.
package func receive(_ descriptor: Int32, into span: inout MutableRawSpan) -> Transfer {
    let count = unsafe span.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress!, $0.count, 0) }
    if count > 0 { return .bytes(count) }
    return count == 0 ? .ended : interpret(errno)
}

/// Sends as much of `span` as the socket takes.
package func send(_ descriptor: Int32, _ span: RawSpan) -> Transfer {
    let count = unsafe span.withUnsafeBytes {
        unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
    return count >= 0 ? .bytes(count) : interpret(errno)
}

/// Waits until a socket takes more, so many milliseconds at most.
package func waitForRoom(_ descriptor: Int32, milliseconds: Int32) {
    var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    // One descriptor of the caller's.
    _ = unsafe poll(&room, 1, milliseconds)
}

private func interpret(_ code: Int32) -> Transfer {
    switch code {
    case EAGAIN, EINTR: .wouldBlock
    case EPIPE: .ended
    default: .failed(code)
    }
}

/// Bytes that wait to be read (SIOCINQ).
package func waitingBytes(_ descriptor: Int32) -> Int {
    var count: Int32 = 0
    return unsafe ioctl(descriptor, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
}

/// Bytes that were given to a TCP socket and that its peer has not acknowledged (SIOCOUTQ).
package func unacknowledgedBytes(_ descriptor: Int32) -> Int {
    var count: Int32 = 0
    return unsafe ioctl(descriptor, UInt(TIOCOUTQ), &count) == 0 ? Int(count) : 0
}

/// How much of a TCP connection's two streams the kernel has passed on, whoever of those who hold the socket asked it to:
/// what is left to find out after a death. `nil` where it is no TCP connection any more.
package func tcpTotals(_ descriptor: Int32) -> (read: UInt64, written: UInt64)? {
    var read: UInt64 = 0
    var written: UInt64 = 0
    return unsafe apus_tcp_totals(descriptor, &read, &written) == 0 ? (read, written) : nil
}
