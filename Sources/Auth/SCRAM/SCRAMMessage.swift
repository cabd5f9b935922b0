// The messages of SCRAM (RFC 5802 §7): attributes `x=value`, with commas between. Bytes to values; nothing is fatal.

internal import Passwords

/// The client's first message: `n,,n=USER,r=NONCE`.
struct SCRAMClientFirst: Equatable {
    /// All before the user's name, which the last message repeats.
    let header: [UInt8]
    /// All behind that.
    let bare: [UInt8]
    let user: [UInt8]
    let nonce: [UInt8]

    /// - Throws: where the message is no such one, or asks for what is not there.
    init(_ message: [UInt8]) throws(SCRAMFailure) {
        // gs2-cbind-flag "," [authzid] ","
        let commas = message.indices.filter { message[$0] == UInt8(ascii: ",") }
        guard commas.count >= 3 else { throw .malformed }
        switch Array(message[..<commas[0]]) {
        // The client has no channel binding, or thinks that the server has none: there is none.
        case Array("n".utf8), Array("y".utf8): break
        case let flag where flag.starts(with: Array("p=".utf8)): throw .noChannelBinding
        default: throw .malformed
        }
        header = Array(message[...commas[1]])
        bare = Array(message[(commas[1] + 1)...])
        let attributes = bare.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map { Array($0) }
        // RFC 5802 §5.1: `m=` stands for an extension that must be understood.
        guard attributes.count >= 2, !attributes[0].starts(with: Array("m=".utf8)) else { throw .malformed }
        guard let user = scramName(try scramValue("n", attributes[0])), !user.isEmpty else { throw .malformed }
        self.user = user
        nonce = try scramValue("r", attributes[1])
        guard !nonce.isEmpty, nonce.allSatisfy(isPrintable) else { throw .malformed }
        // Nobody acts for another one.
        let other = Array(message[(commas[0] + 1)..<commas[1]])
        if !other.isEmpty, scramName(try scramValue("a", other)) != user { throw .notAllowed }
    }
}

/// The client's last message: `c=CHANNEL,r=NONCE,p=PROOF`.
struct SCRAMClientFinal: Equatable {
    let channel: [UInt8]
    let nonce: [UInt8]
    let proof: [UInt8]
    let withoutProof: [UInt8]

    init(_ message: [UInt8]) throws(SCRAMFailure) {
        guard let comma = message.lastIndex(of: UInt8(ascii: ",")) else { throw .malformed }
        withoutProof = Array(message[..<comma])
        guard let proof = Base64.decoded(try scramValue("p", Array(message[(comma + 1)...]))),
            proof.count == SHA256.byteCount
        else { throw .malformed }
        self.proof = proof
        let attributes = withoutProof.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map {
            Array($0)
        }
        guard attributes.count >= 2, let channel = Base64.decoded(try scramValue("c", attributes[0])) else {
            throw .malformed
        }
        self.channel = channel
        nonce = try scramValue("r", attributes[1])
    }
}

/// Why an exchange ends without success.
enum SCRAMFailure: Error, Equatable {
    case malformed
    /// The proof is not that of the password, or there is no such user.
    case wrong
    case noChannelBinding
    /// One who acts for another.
    case notAllowed
}

/// What stands behind `name=`.
func scramValue(_ name: Unicode.Scalar, _ attribute: [UInt8]) throws(SCRAMFailure) -> [UInt8] {
    guard attribute.count >= 2, attribute[0] == UInt8(ascii: name), attribute[1] == UInt8(ascii: "=") else {
        throw .malformed
    }
    return Array(attribute[2...])
}

/// A name as it is: `=2C` stands for a comma and `=3D` for `=`. Nil where it has another `=`, or is not UTF-8.
func scramName(_ text: [UInt8]) -> [UInt8]? {
    var name: [UInt8] = []
    var rest = text[...]
    while let byte = rest.first {
        if byte != UInt8(ascii: "=") {
            name.append(byte)
            rest.removeFirst()
        } else if rest.starts(with: Array("=2C".utf8)) {
            name.append(UInt8(ascii: ","))
            rest.removeFirst(3)
        } else if rest.starts(with: Array("=3D".utf8)) {
            name.append(UInt8(ascii: "="))
            rest.removeFirst(3)
        } else {
            return nil
        }
    }
    return name.contains(0) || String(validating: name, as: UTF8.self) == nil ? nil : name
}

private func isPrintable(_ byte: UInt8) -> Bool { (0x21...0x7E).contains(byte) }
