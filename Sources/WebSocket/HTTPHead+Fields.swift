// The header lines of a request: which of them the handshake looks at, and what they say. Called by the head's
// parser. Nothing is fatal.

extension HTTPHead {
    /// The headers that mean something here.
    enum Field: String {
        case host, origin, upgrade, connection, forwarded, via
        case key = "sec-websocket-key"
        case version = "sec-websocket-version"
        case subprotocol = "sec-websocket-protocol"
        case contentLength = "content-length"
        case transferEncoding = "transfer-encoding"
        case forwardedFor = "x-forwarded-for"
        case forwardedHost = "x-forwarded-host"
        case forwardedProto = "x-forwarded-proto"
        case realIP = "x-real-ip"

        /// Whether a request may have it only once (RFC 9112 §3.2, RFC 6454 §7.3, RFC 6455 §11.3).
        var isSingle: Bool {
            switch self {
            case .host, .origin, .key, .version, .contentLength: true
            default: false
            }
        }
    }

    /// `Name: value` (RFC 9112 §5).
    mutating func readField(
        _ bytes: Span<UInt8>, _ line: Range<Int>, _ seen: inout Set<Field>
    ) throws(HandshakeAnswer) {
        var colon = line.lowerBound
        while colon < line.upperBound, bytes[colon] != UInt8(ascii: ":") {
            // No white space before the colon and no line that continues the last (RFC 9112 §5.1, §5.2).
            guard Self.isToken(bytes[colon]) else {
                throw HandshakeAnswer(.badRequest, "A header's name has characters that a name may not have.")
            }
            colon += 1
        }
        guard colon > line.lowerBound, colon < line.upperBound else {
            throw HandshakeAnswer(.badRequest, "A header is not of the form Name: value.")
        }
        for offset in colon..<line.upperBound {
            // RFC 9110 §5.5: visible characters, spaces, tabs and what lies above ASCII.
            guard bytes[offset] >= 0x20 && bytes[offset] != 0x7F || bytes[offset] == UInt8(ascii: "\t") else {
                throw HandshakeAnswer(.badRequest, "A header's value has a control character.")
            }
        }
        guard let field = Field(rawValue: Self.text(bytes, line.lowerBound..<colon).lowercased()) else { return }
        if field.isSingle, !seen.insert(field).inserted {
            throw HandshakeAnswer(.badRequest, "A header that may come once comes twice.")
        }
        try take(field, Self.trimmed(Self.text(bytes, colon + 1..<line.upperBound)))
    }

    private mutating func take(_ field: Field, _ value: String) throws(HandshakeAnswer) {
        switch field {
        case .host:
            guard let authority = Authority(value) else {
                throw HandshakeAnswer(.badRequest, "The Host header is not a host and an optional port.")
            }
            host = authority
        case .origin: origin = value
        case .upgrade: if Self.list(value).contains(where: { $0.lowercased() == "websocket" }) { isWebSocket = true }
        case .connection: if Self.list(value).contains(where: { $0.lowercased() == "upgrade" }) { isUpgrade = true }
        case .key: key = value
        case .version: version = value
        case .subprotocol: subprotocols += Self.list(value)
        case .contentLength where value == "0": break
        case .contentLength, .transferEncoding:
            throw HandshakeAnswer(.badRequest, "The request has a body; nothing here takes one.")
        case .forwarded, .via, .forwardedFor, .forwardedHost, .forwardedProto, .realIP: isForwarded = true
        }
    }

    /// The elements of a list header (RFC 9110 §5.6.1).
    private static func list(_ value: String) -> [String] {
        value.utf8.split(separator: UInt8(ascii: ",")).map { trimmed(String(Substring($0))) }.filter { !$0.isEmpty }
    }

    /// Without the spaces and tabs around it (RFC 9110 §5.6.3).
    private static func trimmed(_ text: String) -> String {
        let isSpace = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        let rest = text.utf8.drop(while: isSpace)
        guard let last = rest.lastIndex(where: { !isSpace($0) }) else { return "" }
        return String(Substring(rest[...last]))
    }
}
