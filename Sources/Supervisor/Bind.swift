// The system calls that make a listening socket, and the options that every accepted connection inherits from it.
// Mechanism only; Ports.swift says which sockets there are and what a failure means.

internal import CLinux
internal import EventLoop
internal import Glibc
internal import Messages

/// A TCP keep-alive that finds a dead client within two minutes: seconds until the first probe, between two, and how
/// many. MQTT's own keep-alive is usually faster; a client without one is found by this.
private let keepAlive: (idle: Int32, interval: Int32, probes: Int32) = (60, 15, 4)

/// A new socket that listens.
/// - Parameter onlyIPv6: whether `[::]` leaves IPv4 to another listener with the same port.
func listen(
    _ family: Int32, _ host: String, _ port: UInt16, backlog: Int, onlyIPv6: Bool = false
) throws(SystemError) -> ListeningSocket {
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let descriptor = socket(family, kind, 0)
    guard descriptor >= 0 else { throw SystemError("create a socket") }
    do throws(SystemError) {
        try set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if family == AF_INET6 { try set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, onlyIPv6 ? 1 : 0) }
        try setOptions(descriptor)
        try bind(descriptor, family, host, port)
        guard Glibc.listen(descriptor, Int32(clamping: backlog)) == 0 else {
            throw SystemError("listen on \(host) port \(port)")
        }
        return ListeningSocket(descriptor: descriptor, address: try address(of: descriptor), host: host)
    } catch {
        close(descriptor)
        throw error
    }
}

/// Takes over a socket that somebody else made.
func adopt(_ descriptor: Int32) throws(SystemError) -> ListeningSocket {
    var listens: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    // The call writes one integer, as it is told.
    guard unsafe getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0, listens != 0 else {
        throw SystemError("use what systemd passed, which is no listening socket", code: EINVAL)
    }
    let address = try address(of: descriptor)
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    try setOptions(descriptor)
    return ListeningSocket(descriptor: descriptor, address: address, host: address.host)
}

/// Linux hands these on to the connections that the socket accepts.
private func setOptions(_ descriptor: Int32) throws(SystemError) {
    let tcp = Int32(IPPROTO_TCP)
    try set(descriptor, tcp, TCP_NODELAY, 1)
    try set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
    try set(descriptor, tcp, TCP_KEEPIDLE, keepAlive.idle)
    try set(descriptor, tcp, TCP_KEEPINTVL, keepAlive.interval)
    try set(descriptor, tcp, TCP_KEEPCNT, keepAlive.probes)
    // Urgent data would lie outside the stream, and the kernel's counters of received bytes would not fit ours.
    try set(descriptor, SOL_SOCKET, SO_OOBINLINE, 1)
}

private func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) throws(SystemError) {
    var value = value
    // The call reads one integer, as it is told.
    guard unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
        throw SystemError("set option \(option) of a listening socket")
    }
}

private func bind(_ descriptor: Int32, _ family: Int32, _ host: String, _ port: UInt16) throws(SystemError) {
    // Each address is plain data of the size that the call is told; the host was checked with the configuration.
    var result: Int32 = -1
    if family == AF_INET {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        unsafe inet_pton(AF_INET, host, &address.sin_addr)
        result = unsafe withUnsafeBytes(of: &address) {
            unsafe Glibc.bind(descriptor, $0.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t($0.count))
        }
    } else {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        unsafe inet_pton(AF_INET6, host, &address.sin6_addr)
        result = unsafe withUnsafeBytes(of: &address) {
            unsafe Glibc.bind(descriptor, $0.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t($0.count))
        }
    }
    guard result == 0 else { throw SystemError("bind \(host) port \(port)") }
}

extension PeerAddress {
    /// The address without its port, and without brackets.
    fileprivate var host: String {
        let text = description.prefix { $0 != "]" }
        return isIPv4 ? String(text[..<(text.lastIndex(of: ":") ?? text.endIndex)]) : String(text.dropFirst())
    }
}

/// The address that a socket is bound to.
private func address(of descriptor: Int32) throws(SystemError) -> PeerAddress {
    var high: UInt64 = 0
    var low: UInt64 = 0
    var port: UInt16 = 0
    // The call writes into the three.
    guard unsafe apus_bound_address(descriptor, &high, &low, &port) == 0 else {
        throw SystemError("find the TCP address of a listening socket")
    }
    return PeerAddress(high: high, low: low, port: port)
}

/// Accepts a connection from wherever it comes.
/// - Returns: -1 and errno where there is none.
func acceptAnonymously(_ socket: Int32) -> Int32 {
    var high: UInt64 = 0
    var low: UInt64 = 0
    var port: UInt16 = 0
    // The call writes into the three.
    return unsafe apus_accept(socket, &high, &low, &port)
}
