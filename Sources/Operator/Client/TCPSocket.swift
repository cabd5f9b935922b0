// A TCP connection to the broker, non-blocking, with calls that wait up to a deadline. `unsafe` is used where a system
// call takes a pointer; each points at memory that lives for the call.

import Glibc

/// A connected TCP socket.
final class TCPSocket {
    let descriptor: Int32
    private var chunk = [UInt8](repeating: 0, count: 65536)

    /// Resolves the host and connects to the first of its addresses that answers.
    init(host: String, port: UInt16, until deadline: ContinuousClock.Instant) throws(Failure) {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, "\(port)", &hints, &list)
        guard code == 0 else {
            let reason = unsafe String(cString: gai_strerror(code))
            throw Failure(.unreachable, "the host \(escaped(host)) is not known (\(reason)): name one with --host")
        }
        defer { unsafe freeaddrinfo(list) }

        var reason = "no address"
        var next = unsafe list
        while let entry = unsafe next?.pointee {
            unsafe next = entry.ai_next
            let descriptor = socket(
                unsafe entry.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
            guard descriptor >= 0 else {
                reason = systemError()
                continue
            }
            var error = unsafe connect(descriptor, entry.ai_addr, entry.ai_addrlen) == 0 ? 0 : errno
            if error == EINPROGRESS {
                var size = socklen_t(MemoryLayout<Int32>.size)
                error =
                    Operator.wait(for: POLLOUT, on: descriptor, until: deadline)
                    ? (unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno)
                    : ETIMEDOUT
            }
            if error == 0 {
                // A small packet should not wait for the acknowledgement of the one before.
                var on: Int32 = 1
                _ = unsafe setsockopt(
                    descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
                self.descriptor = descriptor
                return
            }
            reason = systemError(error)
            _ = close(descriptor)
        }
        throw Failure(
            .unreachable,
            "no broker answers at \(escaped(host)) port \(port) (\(reason)): is apus running? (systemctl status apus), "
                + "or name it with --host and --port")
    }

    deinit {
        _ = close(descriptor)
    }

    /// What a read or a write came to.
    enum Outcome {
        case done(Int)
        /// Nothing can be done now.
        case wouldBlock
        case closed(reason: String)
    }

    /// Reads what is there and appends it to `buffer`, 64 KiB at most.
    func read(into buffer: inout [UInt8]) -> Outcome {
        let count = unsafe chunk.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
        if count > 0 {
            buffer += chunk[..<count]
            return .done(count)
        }
        return count == 0 ? .closed(reason: "end of stream") : outcome(of: errno)
    }

    /// Writes as much of `bytes` as is taken now.
    func write(_ bytes: ArraySlice<UInt8>) -> Outcome {
        let count = unsafe bytes.withUnsafeBytes {
            unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        return count >= 0 ? .done(count) : outcome(of: errno)
    }

    /// Says that no more will be written.
    func finishWriting() {
        _ = shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Waits until reading (`POLLIN`) or writing (`POLLOUT`) may be tried. False at the deadline; nil waits for ever.
    func wait(for events: Int32, until deadline: ContinuousClock.Instant?) -> Bool {
        Operator.wait(for: events, on: descriptor, until: deadline)
    }

    private func outcome(of error: Int32) -> Outcome {
        error == EAGAIN || error == EINTR ? .wouldBlock : .closed(reason: systemError(error))
    }
}

/// Milliseconds until a deadline, rounded up, for poll(2): 0 where it has passed, -1 where there is none.
func milliseconds(until deadline: ContinuousClock.Instant?) -> Int32 {
    guard let deadline else { return -1 }
    let left = (deadline - .now).components
    return max(
        0, Int32(clamping: left.seconds * 1000 + (left.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000))
}

private func wait(for events: Int32, on descriptor: Int32, until deadline: ContinuousClock.Instant?) -> Bool {
    while true {
        var set = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        let ready = unsafe poll(&set, 1, milliseconds(until: deadline))
        if ready > 0 { return true }
        if ready == 0 || errno != EINTR { return false }
    }
}
