// The supervisor becomes a newer one in place: the same process runs another program, which finds what it needs as a
// restarted supervisor does, and its children as they were. Called by a reload.
// Proof.swift has what comes before it.

internal import CLinux
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages
internal import Systemd

extension Supervisor {
    /// What the next program finds its descriptors by: `name=number`, with blanks between.
    static let heirloomsVariable = "APUS_HEIRLOOMS"

    /// The file that this process runs, or what has taken its place.
    var ownProgram: String {
        let path = readLink("/proc/self/exe")
        let deleted = " (deleted)"
        return path.hasSuffix(deleted) ? String(path.dropLast(deleted.count)) : path
    }

    /// Goes over to the program on disk, if it is another one, and then to newer workers.
    /// - Returns: whether the answer comes later.
    /// - Throws: where it is, and can not be used; nothing has changed then.
    func beginUpgrade(for asker: Proof.Asker, _ now: UInt64) throws(ReloadFailure) -> Bool {
        guard isOutdated(.ofThisProcess, ownProgram) else {
            beginRoll(now)
            return false
        }
        try checkReadiness()
        if estateFile == nil { estateFile = try? EstateFile() }
        guard estateFile != nil else { throw ReloadFailure(reason: "no memory file can be made") }
        bequeath()
        try prove(ownProgram, for: asker, now)
        return true
    }

    func checkReadiness() throws(ReloadFailure) {
        guard places.allSatisfy({ $0.worker?.phase == .ready && !$0.isReplacing && !$0.isAsking }) else {
            throw ReloadFailure(reason: "the new \(ownProgram) waits: workers are being replaced, reload again")
        }
    }

    /// Whether a program is another file than that which has its path now.
    func isOutdated(_ program: FileIdentity, _ path: String) -> Bool {
        FileIdentity(path: path).map { $0 != program } ?? false
    }

    /// Milliseconds that the log may take.
    private static var longestLog: UInt64 { 2000 }

    var configurationArguments: [String] { configurationPath.map { ["--config", $0] } ?? [] }

    /// Becomes the program on disk, once the log's thread, which ends with this program, has written what there is. Returns
    /// where that is not so yet, and where it failed: then the broker goes on as it was.
    func goOver(_ now: UInt64) {
        if goesOverBy == 0 {
            Journal.log(.upgrading, [.file: ownProgram])
            goesOverBy = now + Self.longestLog
        }
        guard Journal.flush(within: .zero) || now >= goesOverBy else {
            timers.set(.goingOver, at: now + 2)
            return
        }
        goesOver = false
        goesOverBy = 0
        bequeath()
        for descriptor in heirlooms.values { _ = fcntl(descriptor, F_SETFD, 0) }
        let list = heirlooms.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        // The environment is nobody else's at this moment but the log's thread's, which does not read it.
        _ = unsafe setenv(Self.heirloomsVariable, list, 1)
        unsafe withArguments(["apusd"] + configurationArguments) { arguments in
            _ = unsafe execv(ownProgram, arguments)
        }
        let reason = errorText(errno)
        _ = unsafe unsetenv(Self.heirloomsVariable)
        for descriptor in heirlooms.values { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        Journal.log(.upgradeFailed, [.file: ownProgram, .reason: reason])
    }

    /// Why this program can not go on with what another one has left; nil where it can.
    package static func problem(ofEstate descriptor: Int32) -> String? {
        do throws(FrameError) {
            _ = try EstateFile(descriptor: descriptor).read()
            return nil
        } catch {
            return "what the running supervisor keeps can not be read: \(error)"
        }
    }

    /// What the program before this one has kept open, as systemd would name it. Once: no worker is to see it.
    static func takeHeirlooms(_ environment: [String: String]) -> [ListenDescriptor] {
        _ = unsafe unsetenv(heirloomsVariable)
        return (environment[heirloomsVariable] ?? "").split(separator: " ").compactMap { entry in
            guard let equals = entry.lastIndex(of: "="), let number = Int32(entry[entry.index(after: equals)...]),
                fcntl(number, F_SETFD, FD_CLOEXEC) == 0
            else { return nil }
            return ListenDescriptor(name: DescriptorStore.prefix + entry[..<equals], descriptor: number)
        }
    }
}

/// Calls `body` with C strings, and a null pointer behind them.
func withArguments<R>(
    _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> R
) -> R {
    var pointers = unsafe strings.map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe pointers.indices { unsafe free(pointers[index]) } }
    return unsafe body(&pointers)
}
