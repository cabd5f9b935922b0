// SHA-256 and SHA-512 by libmd, and what is built of them: HMAC (RFC 2104) and PBKDF2 (RFC 8018 §5.2). For SCRAM and for the
// hashes of Mosquitto's files. Nothing is fatal.

import CMessageDigest

/// A hash function.
package protocol Digest {
    /// Bytes of a digest.
    static var byteCount: Int { get }
    /// Bytes that it works on at a time, which HMAC fills its key up to.
    static var blockByteCount: Int { get }
    /// The digest of all of `bytes`.
    static func digest(_ bytes: [UInt8]) -> [UInt8]
}

/// FIPS 180-4, 256 bits.
package enum SHA256: Digest {
    package static var byteCount: Int { 32 }
    package static var blockByteCount: Int { 64 }

    package static func digest(_ bytes: [UInt8]) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { digest, count in
            var context = SHA2_CTX()
            unsafe SHA256Init(&context)
            // The C functions keep none of the pointers, and the digest has exactly the bytes that they write.
            unsafe bytes.withUnsafeBufferPointer { unsafe SHA256Update(&context, $0.baseAddress, $0.count) }
            unsafe SHA256Final(digest.baseAddress, &context)
            count = byteCount
        }
    }
}

/// FIPS 180-4, 512 bits.
package enum SHA512: Digest {
    package static var byteCount: Int { 64 }
    package static var blockByteCount: Int { 128 }

    package static func digest(_ bytes: [UInt8]) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { digest, count in
            var context = SHA2_CTX()
            unsafe SHA512Init(&context)
            // As above.
            unsafe bytes.withUnsafeBufferPointer { unsafe SHA512Update(&context, $0.baseAddress, $0.count) }
            unsafe SHA512Final(digest.baseAddress, &context)
            count = byteCount
        }
    }
}

extension Digest {
    /// The message authentication code of `message` under `key` (RFC 2104).
    package static func hmac(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        var block = key.count > blockByteCount ? digest(key) : key
        block += [UInt8](repeating: 0, count: blockByteCount - block.count)
        return digest(block.map { $0 ^ 0x5C } + digest(block.map { $0 ^ 0x36 } + message))
    }

    /// A key as long as the digest, derived from a password (RFC 8018 §5.2): what SCRAM calls `Hi`.
    /// - Parameter iterations: from 1.
    package static func pbkdf2(password: [UInt8], salt: [UInt8], iterations: Int) -> [UInt8] {
        // One block is all that is wanted: its number stands behind the salt.
        var part = hmac(key: password, salt + [0, 0, 0, 1])
        var key = part
        for _ in 1..<max(iterations, 1) {
            part = hmac(key: password, part)
            for index in key.indices { key[index] ^= part[index] }
        }
        return key
    }
}

/// Whether two secrets are the same, in a time that depends on their lengths only.
package func isSame(_ one: [UInt8], _ other: [UInt8]) -> Bool {
    guard one.count == other.count else { return false }
    var difference: UInt8 = 0
    for index in one.indices { difference |= one[index] ^ other[index] }
    return difference == 0
}

/// Random bytes of the system's, good for keys.
package func randomBytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
}
