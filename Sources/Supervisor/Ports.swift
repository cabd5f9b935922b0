// Binds the ports of the listeners, or takes them from systemd. Called at start and by a reload. What fails is told in
// one sentence that says what to do; the caller decides whether it is fatal.

internal import CLinux
internal import Configuration
internal import EventLoop
internal import Glibc
internal import Messages
internal import Systemd

/// A listening socket.
struct ListeningSocket {
    let descriptor: Int32
    let address: PeerAddress
    /// The host as it was configured, the port as it was bound.
    var host: String
    var gate = AcceptGate()
    /// Whether the poller watches it.
    var isWatched = false

    /// For people: `127.0.0.1:1883`.
    var text: String { host.contains(":") ? "[\(host)]:\(address.port)" : "\(host):\(address.port)" }
}

/// One listener's port: a socket, or several where systemd passed them under one name.
final class Port {
    let listener: Configuration.Listener
    /// By the number that the poller knows each by.
    var sockets: [UInt32: ListeningSocket]
    var places: [Place] = []

    init(listener: Configuration.Listener, sockets: [UInt32: ListeningSocket]) {
        self.listener = listener
        self.sockets = sockets
    }

    /// Whether only this machine can reach it.
    var isLoopback: Bool { sockets.values.allSatisfy(\.address.isLoopback) }

    func closeAll() {
        for socket in sockets.values { close(socket.descriptor) }
        sockets = [:]
    }
}

/// Why a port could not be opened.
struct PortFailure: Error {
    let listener: String
    let address: String
    /// What happened, and what to do.
    let reason: String
    /// The number of the system's error, where there is one.
    var code: Int32?
    var isInUse: Bool { code == EADDRINUSE }
}

/// Opens the sockets of one listener.
/// - Parameters:
///   - passed: what systemd passed.
///   - others: the ports of the other listeners, which decide whether `[::]` takes IPv4 too.
func openSockets(
    of listener: Configuration.Listener, passed: [ListenDescriptor], others: [Configuration.Listener]
) throws(PortFailure) -> [ListeningSocket] {
    if case .systemd(let name) = listener.bind, !passed.contains(where: { $0.name == name }) {
        let names = Set(passed.map(\.name)).sorted().joined(separator: ", ")
        throw PortFailure(
            listener: listener.name, address: listener.bind.description,
            reason: "systemd passed \(names.isEmpty ? "no socket" : "only \(names)"): start it by a socket unit with "
                + "FileDescriptorName=\(name)")
    }
    do throws(SystemError) {
        switch listener.bind {
        case .ipv4(let host, let port):
            return [try listen(AF_INET, host, port, backlog: listener.backlog)]
        case .ipv6(let host, let port):
            let isShared = others.contains {
                if case .ipv4(_, port) = $0.bind { true } else { false }
            }
            return [try listen(AF_INET6, host, port, backlog: listener.backlog, onlyIPv6: isShared)]
        case .systemd(let name):
            return try passed.filter { $0.name == name }.map { descriptor throws(SystemError) in
                try adopt(descriptor.descriptor)
            }
        }
    } catch {
        let reason =
            switch error.code {
            case EADDRINUSE: "\(holder(of: listener.bind)): stop it, or give this listener another address"
            case EADDRNOTAVAIL: "this machine has no such address, `ip address` shows those that it has"
            case EACCES: "a port below 1024 needs the capability CAP_NET_BIND_SERVICE"
            case EAFNOSUPPORT: "this machine has no IPv6, bind an IPv4 address"
            default: "\(error)"
            }
        throw PortFailure(
            listener: listener.name, address: listener.bind.description, reason: reason,
            code: error.code)
    }
}

extension PortFailure: CustomStringConvertible {
    var description: String {
        isInUse
            ? "\(address) of \(listener) is in use: \(reason)" : "\(listener) can not listen on \(address): \(reason)"
    }
}
