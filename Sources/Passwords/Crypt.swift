// crypt(3) by libxcrypt: yescrypt, and whatever else the system's password file may hold. Takes tens of milliseconds a call, on
// purpose: to be called beside a loop, not in it. Nothing is fatal.

import CCrypt
import Glibc

/// Hashes of crypt(3).
package enum Crypt {
    /// Whether a hash is of a method that this system knows.
    package static func knows(_ hash: String) -> Bool {
        // The string is a C string for the length of the call.
        let verdict = unsafe crypt_checksalt(hash)
        return verdict == CRYPT_SALT_OK || verdict == CRYPT_SALT_METHOD_LEGACY
    }

    /// A password's hash, with the method, cost and salt of `setting`, which may be a hash. Nil where that can not be, as for a
    /// password with a NUL or of more than 512 bytes.
    package static func hash(_ password: [UInt8], _ setting: String) -> String? {
        guard !password.contains(0) else { return nil }
        var data: UnsafeMutableRawPointer?
        var size: Int32 = 0
        defer {
            // What the call has worked with is a secret.
            if let data = unsafe data { unsafe explicit_bzero(data, Int(size)) }
            unsafe free(data)
        }
        // The password ends with a NUL; the call allocates what it needs and says how much. Its answer lies therein.
        guard
            let hash = unsafe (password + [0]).withUnsafeBytes({
                unsafe crypt_ra($0.baseAddress!.assumingMemoryBound(to: CChar.self), setting, &data, &size)
            })
        else { return nil }
        let text = unsafe String(cString: hash)
        return text.hasPrefix("*") ? nil : text
    }

    /// A setting for a new yescrypt hash, with a new salt.
    /// - Parameter cost: 1...11; 5 is the system's own default.
    package static func setting(cost: Int) -> String? {
        var random = randomBytes(16)
        // The call reads 16 bytes, and its answer is ours to free.
        let setting = unsafe random.withUnsafeMutableBytes {
            unsafe crypt_gensalt_ra("$y$", UInt(cost), $0.baseAddress!.assumingMemoryBound(to: CChar.self), 16)
        }
        guard let setting = unsafe setting else { return nil }
        defer { unsafe free(setting) }
        return unsafe String(cString: setting)
    }
}
