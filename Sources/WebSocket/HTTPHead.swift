// Parses the head of an HTTP/1.1 request as strictly as RFC 9112 allows: what two parsers could read differently
// is refused, since a proxy may stand before this one. Called by the handshake. Nothing is fatal.

/// The parts of a request that the handshake looks at.
struct HTTPHead {
    var method = ""
    /// The path, with its query.
    var target = ""
    var host: Authority?
    /// What a browser says of the page that asks (RFC 6454 §7).
    var origin: String?
    /// `Upgrade` names WebSocket, `Connection` names `Upgrade`: an upgrade needs both (RFC 6455 §4.2.1).
    var isWebSocket = false
    var isUpgrade = false
    var key: String?
    var version: String?
    /// Subprotocols in the client's order.
    var subprotocols: [String] = []
    /// A proxy has passed the request on.
    var isForwarded = false

    /// Where the head ends.
    enum Extent: Equatable {
        case incomplete
        /// Bytes up to and including the empty line.
        case complete(Int)
    }

    /// Looks for the empty line that ends the head.
    ///
    /// - Parameter limit: bytes that a head may have.
    static func extent(_ bytes: Span<UInt8>, limit: Int) throws(HandshakeAnswer) -> Extent {
        var lineStart = 0
        for offset in 0..<min(bytes.count, limit) {
            // Something that is not HTTP at all (MQTT, TLS) is told from its first byte.
            if offset == 0, !isToken(bytes[0]) {
                throw HandshakeAnswer(.badRequest, "This port speaks HTTP and WebSocket; what came is neither.")
            }
            guard bytes[offset] == UInt8(ascii: "\n") else { continue }
            // RFC 9112 §2.2 would let a bare LF end a line; proxies differ, so it is refused.
            guard offset > 0, bytes[offset - 1] == UInt8(ascii: "\r") else {
                throw HandshakeAnswer(.badRequest, "A line ends with LF alone; lines end with CR and LF.")
            }
            if lineStart == offset - 1 { return .complete(offset + 1) }
            lineStart = offset + 1
        }
        if bytes.count >= limit {
            throw HandshakeAnswer(.headersTooLarge, "The request's headers are longer than this port accepts.")
        }
        return .incomplete
    }

    /// Parses a complete head.
    ///
    /// - Parameters:
    ///   - end: where it ends, from `extent`.
    ///   - fieldLimit: header lines that a head may have.
    init(_ bytes: Span<UInt8>, end: Int, fieldLimit: Int) throws(HandshakeAnswer) {
        var fields = 0
        var lineStart = 0
        var seen: Set<Field> = []
        var absoluteAuthority: Authority?
        for offset in 0..<end - 2 where bytes[offset] == UInt8(ascii: "\n") {
            let line = lineStart..<offset - 1
            lineStart = offset + 1
            if fields == 0 {
                absoluteAuthority = try readRequestLine(bytes, line)
            } else if fields > fieldLimit {
                throw HandshakeAnswer(.headersTooLarge, "The request has more headers than this port accepts.")
            } else {
                try readField(bytes, line, &seen)
            }
            fields += 1
        }
        guard let host else { throw HandshakeAnswer(.badRequest, "The Host header is missing.") }
        // RFC 9112 §3.2.2 lets the target win over Host; two names for one server are refused instead.
        if let absoluteAuthority, absoluteAuthority != host {
            throw HandshakeAnswer(.badRequest, "The request's target and its Host header name different hosts.")
        }
    }

    /// `GET /path HTTP/1.1` (RFC 9112 §3).
    ///
    /// - Returns: the authority of a target in absolute form, else nil.
    private mutating func readRequestLine(
        _ bytes: Span<UInt8>, _ line: Range<Int>
    ) throws(HandshakeAnswer) -> Authority? {
        let parts = Self.text(bytes, line).split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, parts[0].utf8.allSatisfy(Self.isToken) else {
            throw HandshakeAnswer(.badRequest, "The request line is not of the form GET /path HTTP/1.1.")
        }
        switch parts[2] {
        case "HTTP/1.1": break
        // RFC 6455 §4.1: 1.1 at least.
        case "HTTP/0.9", "HTTP/1.0", "HTTP/2", "HTTP/2.0", "HTTP/3", "HTTP/3.0":
            throw HandshakeAnswer(.versionNotSupported, "This port speaks HTTP/1.1.")
        default: throw HandshakeAnswer(.badRequest, "The request line does not end with HTTP/1.1.")
        }
        method = String(parts[0])
        let target = parts[1]
        guard target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }) else {
            throw HandshakeAnswer(.badRequest, "The request's target has characters that a target may not have.")
        }
        if target.hasPrefix("/") {
            self.target = String(target)
            return nil
        }
        // RFC 9112 §3.2.2: the absolute form is accepted; RFC 6455 §4.1 allows it too.
        let scheme = target.lowercased().prefix { $0 != ":" }
        guard scheme == "http" || scheme == "https", target.dropFirst(scheme.count).hasPrefix("://") else {
            throw HandshakeAnswer(.badRequest, "The request's target does not begin with a slash.")
        }
        let rest = target.dropFirst(scheme.count + 3)
        let name = rest.prefix { $0 != "/" && $0 != "?" }
        guard let authority = Authority(name) else {
            throw HandshakeAnswer(.badRequest, "The request's target names no host.")
        }
        self.target = rest.dropFirst(name.count).hasPrefix("/") ? String(rest.dropFirst(name.count)) : "/"
        return authority
    }

    /// A part of the head; bytes above ASCII become U+FFFD where they are not UTF-8, which no name or value that
    /// matters has.
    static func text(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String {
        String(decoding: range.map { bytes[$0] }, as: UTF8.self)
    }

    /// A character of a token (RFC 9110 §5.6.2).
    static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
