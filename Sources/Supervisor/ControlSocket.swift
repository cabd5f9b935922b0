// The control socket itself: made at start, removed at the end. A file left by a broker that was killed is replaced;
// one on which another broker answers is not.

internal import CLinux
internal import Configuration
internal import Control
internal import EventLoop
internal import Glibc

extension Supervisor {
    private static let backlog: Int32 = 16

    var controlPath: String { "\(configuration.runtimeDirectory)/\(controlSocketName)" }

    func openControlSocket() throws(StartFailure) {
        let path = controlPath
        do throws(SystemError) {
            if try isAnswered(path) {
                throw SystemError("another apusd", code: EADDRINUSE)
            }
            // What is left there belongs to nobody; where there is nothing, nothing happens.
            unsafe unlink(path)
            controlSocket = try newSocket()
            guard unsafe withAddress(path, { unsafe bind(controlSocket, $0, $1) }) == 0 else {
                throw SystemError("make \(path)")
            }
            // Nobody can connect before the call after this one.
            guard unsafe chmod(path, 0o660) == 0, listen(controlSocket, Self.backlog) == 0 else {
                throw SystemError("listen on \(path)")
            }
        } catch {
            closeControlSocket(removing: false)
            throw StartFailure(
                reason: error.code == EADDRINUSE
                    ? "another apusd uses the folder \(configuration.runtimeDirectory): stop it, or set another "
                        + "runtime_dir"
                    : "the control socket can not be opened: \(error); see runtime_dir")
        }
        watchControlSocket()
    }

    func watchControlSocket() {
        guard controlSocket >= 0, !isControlSocketWatched else { return }
        isControlSocketWatched =
            (try? poller.add(controlSocket, .readable, tag: Source.controlSocket.tag)) != nil
    }

    /// Leaves operators in the backlog for a while.
    func restControlSocket(_ now: UInt64) {
        poller.remove(controlSocket)
        isControlSocketWatched = false
        timers.set(.controlRest, at: now + 100)
    }

    func closeControlSocket(removing: Bool = true) {
        guard controlSocket >= 0 else { return }
        for connection in operators.values { dismiss(connection) }
        close(controlSocket)
        controlSocket = -1
        if removing { unsafe unlink(controlPath) }
    }

    /// Whether somebody listens at the socket; a file that is no socket is an error.
    private func isAnswered(_ path: String) throws(SystemError) -> Bool {
        let probe = try newSocket()
        defer { close(probe) }
        if unsafe withAddress(path, { unsafe connect(probe, $0, $1) }) == 0 { return true }
        switch errno {
        case ENOENT, ECONNREFUSED: return false
        // Its backlog is full.
        case EAGAIN: return true
        case ENOTSOCK: throw SystemError("use \(path), which is another kind of file", code: EEXIST)
        default: throw SystemError("connect to \(path)")
        }
    }

    private func newSocket() throws(SystemError) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw SystemError("create a socket") }
        return descriptor
    }

    /// Calls `body` with the socket address of a path; -1 and ENAMETOOLONG where it has none.
    private func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            errno = ENAMETOOLONG
            return -1
        }
        // The path was measured above; the address is plain data that lives through the call.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        return unsafe withUnsafeBytes(of: &address) {
            unsafe body($0.assumingMemoryBound(to: sockaddr.self).baseAddress!, socklen_t($0.count))
        }
    }
}
