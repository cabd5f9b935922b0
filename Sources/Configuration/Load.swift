// Finds out what applies: the defaults of the surroundings (environment, user, where the program lies), then the file
// over them. The supervisor calls it at start and at a reload, apusctl to find the control socket.

import Glibc

extension Configuration {
    /// The configuration of `path`, or the defaults where it is nil.
    /// - Parameter environment: `STATE_DIRECTORY`, `RUNTIME_DIRECTORY`, `XDG_STATE_HOME`, `XDG_RUNTIME_DIR` and
    ///   `HOME` are looked at.
    package static func load(
        path: String?, environment: [String: String]
    ) throws(ConfigurationErrors) -> Configuration {
        let base = defaults(environment: environment)
        guard let path else { return base }
        return try parse(try read(path), file: path, over: base)
    }

    /// What applies without a file.
    package static func defaults(environment: [String: String]) -> Configuration {
        let state = stateDirectory(environment)
        return Configuration(
            stateDirectory: state, runtimeDirectory: runtimeDirectories(environment: environment)[0],
            libexecDirectory: libexecDirectory())
    }

    /// Where the control socket may be, the likeliest first; never empty. apusd uses the first, apusctl looks into
    /// each, because it may be run by another user than the broker.
    package static func runtimeDirectories(environment: [String: String]) -> [String] {
        var candidates: [String] = []
        if let given = firstPath(environment["RUNTIME_DIRECTORY"]) { candidates.append(given) }
        if geteuid() == 0 { candidates.append("/run/apus") }
        if let session = firstPath(environment["XDG_RUNTIME_DIR"]) { candidates.append(session + "/apus") }
        candidates.append(stateDirectory(environment) + "/run")
        if geteuid() != 0 { candidates.append("/run/apus") }
        return candidates
    }

    private static func stateDirectory(_ environment: [String: String]) -> String {
        if let given = firstPath(environment["STATE_DIRECTORY"]) { return given }
        if geteuid() == 0 { return "/var/lib/apus" }
        if let home = firstPath(environment["XDG_STATE_HOME"]) { return home + "/apus" }
        return firstPath(environment["HOME"]).map { $0 + "/.local/state/apus" } ?? "/var/lib/apus"
    }

    /// systemd separates several by colons; the first is meant. What is not an absolute path is as good as absent.
    private static func firstPath(_ text: String?) -> String? {
        text?.split(separator: ":").first.flatMap { $0.hasPrefix("/") ? String($0) : nil }
    }

    /// Beside the running program, as SwiftPM leaves them, else where `make install` puts them.
    private static func libexecDirectory() -> String {
        let beside = parent(executable())
        // Safe: the string is a C string for the length of the call.
        if unsafe access(beside + "/apus-listener", X_OK) == 0 { return beside }
        return parent(beside) + "/libexec/apus"
    }

    private static func parent(_ path: String) -> String {
        String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }

    private static func executable() -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        // Safe: the length passed is that of the buffer.
        let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count)
        return String(decoding: buffer.prefix(max(count, 0)).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// A configuration is a page of text; what is larger is some other file.
    private static let largestFile = 1 << 20

    private static func read(_ path: String) throws(ConfigurationErrors) -> String {
        func fail(_ message: String) -> ConfigurationErrors {
            ConfigurationErrors(problems: [.init(file: path, line: nil, key: "", message: message)])
        }
        // Safe: strerror answers every number with a C string.
        func reason() -> String { unsafe String(cString: strerror(errno)) }
        // Safe: the string is a C string for the length of the call.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw fail("can not be opened: \(reason())") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            // Safe: the length passed is that of the buffer.
            let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw fail("can not be read: \(reason())") }
            if count == 0 { break }
            bytes += chunk.prefix(count)
            guard bytes.count <= largestFile else { throw fail("is larger than 1 MiB: not a configuration file") }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw fail("is not valid UTF-8") }
        return text
    }
}
