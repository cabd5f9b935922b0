// Where a listener listens: the text of `bind` to a checked value and back. Pure; names are not resolved, so that a
// broken resolver can never keep the broker from starting. The supervisor turns the value into a socket.

import Glibc

extension Configuration {
    /// The value of `bind`. `host` is a numeric address in its usual spelling; port 0 lets the system choose.
    package enum Address: Sendable, Equatable {
        case ipv4(host: String, port: UInt16)
        case ipv6(host: String, port: UInt16)
        /// A socket that systemd passes, by its `FileDescriptorName=`.
        case systemd(name: String)

        /// What `bind` may be, for error messages and the reference.
        static let allowed =
            #"a numeric address and a port, as "127.0.0.1:1883", "[::1]:1883" or "localhost:0", or "systemd:NAME""#

        /// - Returns: nil when the text is none of what ``allowed`` says.
        package init?(_ text: String) {
            if text.hasPrefix("systemd:") {
                // The characters that systemd allows in FileDescriptorName=, at most 255 of them.
                let name = text.dropFirst("systemd:".count)
                guard (1...255).contains(name.utf8.count),
                    name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ":") })
                else { return nil }
                self = .systemd(name: String(name))
                return
            }
            guard let colon = text.lastIndex(of: ":") else { return nil }
            let digits = text[text.index(after: colon)...]
            guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits) else { return nil }
            let host = text[..<colon]
            if host.hasPrefix("["), host.hasSuffix("]") {
                guard let host = Self.canonical(String(host.dropFirst().dropLast()), AF_INET6) else { return nil }
                self = .ipv6(host: host, port: port)
            } else {
                guard let host = Self.canonical(host == "localhost" ? "127.0.0.1" : String(host), AF_INET) else {
                    return nil
                }
                self = .ipv4(host: host, port: port)
            }
        }

        /// The address as the C library spells it, so that two spellings of one address are equal.
        private static func canonical(_ host: String, _ family: Int32) -> String? {
            var address = in6_addr()
            var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            // Safe: in6_addr has room for either family, the buffer for the longest text of one.
            guard unsafe inet_pton(family, host, &address) == 1,
                unsafe inet_ntop(family, &address, &text, socklen_t(text.count)) != nil
            else { return nil }
            return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
    }
}

extension Configuration.Address: CustomStringConvertible {
    /// As it is written in the file.
    package var description: String {
        switch self {
        case .ipv4(let host, let port): "\(host):\(port)"
        case .ipv6(let host, let port): "[\(host)]:\(port)"
        case .systemd(let name): "systemd:\(name)"
        }
    }

    /// Whether only this machine can reach it; false for a socket from systemd, which may be anything.
    package var isLoopback: Bool {
        switch self {
        case .ipv4(let host, _): host.hasPrefix("127.")
        case .ipv6(let host, _): host == "::1"
        case .systemd: false
        }
    }
}
