// A host with an optional port, as in the Host header, in an origin and in a configured name (RFC 3986 §3.2). Used
// by the head parser and the handshake's policy. Nothing is fatal.

struct Authority: Equatable, Sendable {
    /// In lower case, without a final dot; an IPv6 address in its brackets.
    let name: String
    let port: UInt16?

    /// - Returns: nil unless the text is a name or an address, and a port of 1 to 65535 if any.
    init?(_ text: some StringProtocol) {
        // Beyond ASCII, upper and lower case are not what they seem: U+212A becomes a k.
        guard text.utf8.allSatisfy({ $0 < 0x80 }) else { return nil }
        var name = text.lowercased()[...]
        var port: UInt16?
        // The port's colon is the one that is not within an address's brackets.
        if let colon = name.utf8.lastIndex(of: UInt8(ascii: ":")), !name.hasSuffix("]") {
            let digits = name[name.index(after: colon)...]
            guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = UInt16(digits),
                number > 0
            else { return nil }
            port = number
            name = name[..<colon]
        }
        if name.hasPrefix("[") {
            guard name.hasSuffix("]"), name.utf8.count > 4,
                name.dropFirst().dropLast().utf8.allSatisfy(Self.isAddressCharacter)
            else { return nil }
        } else {
            guard name.utf8.allSatisfy(Self.isNameCharacter) else { return nil }
            if name.hasSuffix(".") { name.removeLast() }
            guard !name.isEmpty else { return nil }
        }
        self.name = String(name)
        self.port = port
    }

    /// Whether the name can only mean the machine itself (RFC 6761 §6.3, RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
    var isLoopback: Bool {
        if name == "localhost" || name.hasSuffix(".localhost") { return true }
        if name == "[::1]" || name == "[0:0:0:0:0:0:0:1]" { return true }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { $0.utf8.count <= 3 && UInt8($0) != nil }
    }

    private static func isAddressCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: ":"),
            UInt8(ascii: "."):
            true
        default: false
        }
    }

    private static func isNameCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"),
            UInt8(ascii: "."), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
