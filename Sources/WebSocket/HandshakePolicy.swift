// Which web pages may connect: the rules on Origin and Host. Made once from the listener's configuration, asked at
// every handshake. Browsers let any page open a WebSocket to any host, and always say which page it is; so the
// broker decides (RFC 6455 §10.2). Programs that are not browsers send no Origin and pass. Nothing is fatal.

package struct HandshakePolicy: Sendable {
    private let allowsAny: Bool
    private let allowsSame: Bool
    private let origins: Set<String>
    private let hosts: Set<String>
    private let isLoopback: Bool

    /// - Parameters:
    ///   - origins: `"same"` (a page from the host that the request names), `"*"` (every page), or origins such as
    ///     `"https://example.com"`.
    ///   - hosts: names by which this listener is known. Where there are any, `"same"` holds for them only.
    ///   - isLoopback: whether the listener is bound to a loopback address. Then `"same"` also needs a loopback name
    ///     or one of `hosts`: else a page could give its own name the address 127.0.0.1 and be the same (DNS
    ///     rebinding).
    package init(origins: [String] = ["same"], hosts: [String] = [], isLoopback: Bool) {
        allowsAny = origins.contains("*")
        allowsSame = origins.contains("same")
        self.origins = Set(origins.map(Self.normal))
        self.hosts = Set(hosts.map { Authority($0)?.name ?? $0.lowercased() })
        self.isLoopback = isLoopback
    }

    /// Whether a page of this origin may connect through this host.
    func allows(origin: String, host: Authority) -> Bool {
        if allowsAny { return true }
        if origins.contains(Self.normal(origin)) { return true }
        // Ports are not compared: the page comes from a web server, which is not this port.
        guard allowsSame, Self.authority(origin)?.name == host.name else { return false }
        if hosts.contains(host.name) || isLoopback && host.isLoopback { return true }
        return hosts.isEmpty && !isLoopback
    }

    /// `scheme://host:port` in lower case, with the scheme's own port where none is given (RFC 6454 §4).
    private static func normal(_ origin: String) -> String {
        let text = origin.lowercased()
        guard let authority = authority(text) else { return text }
        let scheme = text.prefix { $0 != ":" }
        let port = authority.port ?? (scheme == "https" ? 443 : 80)
        return "\(scheme)://\(authority.name):\(port)"
    }

    /// The host of an origin; nil for `null`, which sandboxed pages and files send.
    private static func authority(_ origin: String) -> Authority? {
        let parts = origin.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, parts[1].hasPrefix("//") else { return nil }
        return Authority(parts[1].dropFirst(2))
    }
}
