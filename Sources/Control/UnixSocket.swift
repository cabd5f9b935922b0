// A connected Unix stream socket with blocking calls that end: the system calls under ControlClient. `unsafe` is used
// where a system call takes a pointer; each points at memory that lives for the call.

import Glibc

struct UnixSocket: ~Copyable {
    private let descriptor: Int32

    init(path: String) throws(ControlFailure) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path), !bytes.contains(0) else {
            throw .pathTooLong(path: path)
        }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }

        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .unreachable(path: path, reason: systemError(errno)) }
        let connected = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard connected == 0 else {
            let code = errno
            _ = close(descriptor)
            throw code == EACCES || code == EPERM
                ? .notPermitted(path: path) : .unreachable(path: path, reason: systemError(code))
        }
        self.descriptor = descriptor
    }

    deinit {
        _ = close(descriptor)
    }

    /// Writes all of `bytes`; the time-out runs anew whenever some were taken.
    func write(_ bytes: [UInt8], within timeout: Duration) throws(ControlFailure) {
        var done = 0
        while done < bytes.count {
            try wait(for: POLLOUT, within: timeout)
            let count = unsafe bytes[done...].withUnsafeBytes { rest in
                unsafe send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            if count >= 0 {
                done += count
            } else if errno != EAGAIN && errno != EINTR {
                // The server may have refused us and gone: what it said can still be read.
                return
            }
        }
    }

    /// Waits for bytes and returns them, at least one.
    func read(within timeout: Duration) throws(ControlFailure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 65536)
        while true {
            try wait(for: POLLIN, within: timeout)
            let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
            }
            if count > 0 { return Array(bytes.prefix(count)) }
            if count == 0 || (errno != EAGAIN && errno != EINTR) { throw .disconnected }
        }
    }

    private func wait(for events: Int32, within timeout: Duration) throws(ControlFailure) {
        let seconds = Double(timeout.components.seconds) + Double(timeout.components.attoseconds) / 1e18
        let deadline = ContinuousClock.now + timeout
        while true {
            var set = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            let left = (deadline - .now).components
            let milliseconds = Int32(clamping: left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000)
            let ready = unsafe poll(&set, 1, max(0, milliseconds))
            if ready > 0 { return }
            if ready == 0 || errno != EINTR { throw .timedOut(seconds: seconds) }
        }
    }
}

/// What the system says about an error number.
func systemError(_ code: Int32) -> String {
    unsafe String(cString: strerror(code))
}
