// SHA-1 by libmd, for `Sec-WebSocket-Accept` only (RFC 6455 §1.3), where it proves nothing but that the server
// speaks WebSocket. Called once a connection. Nothing is fatal.

import CMessageDigest

enum SHA1 {
    /// The digest, 20 bytes.
    static func digest(_ bytes: [UInt8]) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: Int(SHA1_DIGEST_LENGTH)) { digest, count in
            var context = SHA1_CTX()
            unsafe SHA1Init(&context)
            // The C functions keep none of the pointers, and the digest has exactly SHA1_DIGEST_LENGTH bytes.
            unsafe bytes.withUnsafeBufferPointer { unsafe SHA1Update(&context, $0.baseAddress, $0.count) }
            unsafe SHA1Final(digest.baseAddress, &context)
            count = Int(SHA1_DIGEST_LENGTH)
        }
    }
}
