// Changes one user's line of a password file, and leaves all others as they are. The file is replaced as a whole, so that whoever
// reads it sees the former one or the new one. Called by `apusctl passwd`.

import Glibc

extension PasswordFile {
    /// The content with another line for a user, at the place of the former one or at the end; nil: with none.
    /// - Returns: and whether the user was there.
    package static func replacing(
        _ user: [UInt8], with verifier: String?, in bytes: [UInt8]
    ) -> (bytes: [UInt8], wasThere: Bool) {
        let head = user + [UInt8(ascii: ":")]
        let new = verifier.map { head + Array($0.utf8) }
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { Array($0) }
        if lines.last?.isEmpty == true { lines.removeLast() }
        let place = lines.firstIndex { $0.starts(with: head) }
        lines.removeAll { $0.starts(with: head) }
        if let new { lines.insert(new, at: min(place ?? lines.count, lines.count)) }
        return (lines.flatMap { $0 + [UInt8(ascii: "\n")] }, place != nil)
    }

    /// Why nobody can be called so in a password file; nil: it is a name.
    package static func problem(ofName name: [UInt8]) -> String? {
        if name.isEmpty { return "it is empty" }
        if name.count > longestName { return "it has more than 65,535 bytes" }
        if name.contains(UInt8(ascii: ":")) { return "it has a colon" }
        if name.first == UInt8(ascii: "#") { return "it begins with #" }
        if name.contains(where: { $0 < 0x20 || $0 == 0x7F }) { return "it has a control character" }
        return nil
    }

    /// Puts a file in the place of another, with that one's owner and mode; a new one is its owner's alone (0600).
    /// - Throws: where that can not be; the former file is as it was then.
    package static func write(_ bytes: [UInt8], to path: String) throws(PasswordProblem) {
        func fail(_ what: String) -> PasswordProblem {
            // strerror answers every number with a C string.
            PasswordProblem("\(what): \(unsafe String(cString: strerror(errno)))")
        }
        let target = real(path)
        // The call fills the value where it succeeds.
        var former = stat()
        let exists = unsafe stat(target, &former) == 0
        guard exists || errno == ENOENT else { throw fail("can not look at \(path)") }
        var name = Array("\(target).XXXXXX".utf8CString)
        // The call writes into the array, which ends with a NUL; its file is for the owner alone.
        let descriptor = unsafe mkstemp(&name)
        guard descriptor >= 0 else { throw fail("can not make a file beside \(path)") }
        let temporary = unsafe name.withUnsafeBufferPointer { unsafe String(cString: $0.baseAddress!) }
        do throws(PasswordProblem) {
            defer { close(descriptor) }
            if exists {
                guard fchown(descriptor, former.st_uid, former.st_gid) == 0 else {
                    throw fail("can not give the new \(path) to the owner of the former one")
                }
                guard fchmod(descriptor, former.st_mode & 0o7777) == 0 else { throw fail("can not set a mode") }
            }
            var written = 0
            while written < bytes.count {
                // What is left of the array.
                let count = unsafe bytes.withUnsafeBytes {
                    unsafe Glibc.write(descriptor, $0.baseAddress! + written, bytes.count - written)
                }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw fail("can not write \(path)") }
                written += count
            }
            guard fsync(descriptor) == 0 else { throw fail("can not write \(path) to the disk") }
            guard unsafe rename(temporary, target) == 0 else { throw fail("can not replace \(path)") }
        } catch {
            _ = unsafe unlink(temporary)
            throw error
        }
        // The name is on the disk too.
        let folder = unsafe open(
            String(target[..<(target.lastIndex(of: "/") ?? target.startIndex)] + "/"), O_RDONLY | O_CLOEXEC)
        if folder >= 0 {
            fsync(folder)
            close(folder)
        }
    }

    /// Where a link leads: the file is replaced, not the link.
    private static func real(_ path: String) -> String {
        // The answer is ours to free.
        guard let found = unsafe realpath(path, nil) else { return path.hasPrefix("/") ? path : "./\(path)" }
        defer { unsafe free(found) }
        return unsafe String(cString: found)
    }
}
