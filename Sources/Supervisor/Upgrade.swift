// The supervisor becomes a newer one in place: the same process runs another program, which finds what it needs as a
// restarted supervisor does, and its children as they were. Called by a reload.
//
// Afterwards nobody is left to fall back on, so the new program first shows, as a child, that it can read the
// configuration and the estate.

internal import CLinux
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages
internal import Systemd

extension Supervisor {
    /// How long the new program may take to show that it can read everything: milliseconds.
    private static let proofLimit: Int32 = 5000
    /// What the next program finds its descriptors by: `name=number`, with blanks between.
    static let heirloomsVariable = "APUS_HEIRLOOMS"

    /// The file that this process runs, or what has taken its place.
    private var ownProgram: String {
        let path = readLink("/proc/self/exe")
        let deleted = " (deleted)"
        return path.hasSuffix(deleted) ? String(path.dropLast(deleted.count)) : path
    }

    /// Goes over to the program on disk at the turn's end, if it is another one, and then to newer workers.
    /// - Throws: where it is, and can not be used; nothing has changed then.
    func beginUpgrade(_ now: UInt64) throws(ReloadFailure) {
        guard isOutdated(getpid(), ownProgram) else { return beginRoll(now) }
        guard places.allSatisfy({ $0.worker?.phase == .ready && !$0.isReplacing && !$0.isAsking }) else {
            throw ReloadFailure(reason: "the new \(ownProgram) waits: workers are being replaced, reload again")
        }
        if estateFile == nil { estateFile = try? EstateFile() }
        guard estateFile != nil else { throw ReloadFailure(reason: "no memory file can be made") }
        bequeath()
        if let reason = disprove(ownProgram) {
            Journal.log(.upgradeFailed, [.file: ownProgram, .reason: reason])
            throw ReloadFailure(reason: "\(ownProgram) is newer and can not be used: \(reason)")
        }
        goesOver = true
    }

    /// Whether a process runs another file than that which has its path now.
    func isOutdated(_ process: Int32, _ path: String) -> Bool {
        var running = stat()
        var present = stat()
        // Each call fills one value, or fails.
        guard unsafe stat("/proc/\(process)/exe", &running) == 0, unsafe stat(path, &present) == 0 else { return false }
        return running.st_ino != present.st_ino || running.st_dev != present.st_dev
    }

    /// - Returns: why a program can not go on from here; nil where it can.
    private func disprove(_ program: String) -> String? {
        let arguments = ["apusd", "--check", "--estate", "\(controlDescriptor)"] + configurationArguments
        // The strings live through the call; the new process gets copies.
        let process = unsafe withArguments(arguments) { list in
            unsafe apus_spawn(program, list, estateFile!.descriptor, controlDescriptor)
        }
        guard process > 0 else { return "it can not be run: \(errorText(errno))" }
        let descriptor = apus_process_descriptor(process)
        if !isReadable(descriptor, milliseconds: Self.proofLimit) { Glibc.kill(process, SIGKILL) }
        close(descriptor)
        var status: Int32 = 0
        // The call writes one integer.
        guard unsafe waitpid(process, &status, 0) == process else { return "its end was not seen" }
        if ExitStatus(status) == .exited(estateStatus) { return "it does not know layout \(Layout.inForce)" }
        return status == 0 ? nil : "asked to read the configuration and the state, it ended with \(ExitStatus(status))"
    }

    private var configurationArguments: [String] { configurationPath.map { ["--config", $0] } ?? [] }

    /// Becomes the program on disk. Returns only where that failed: the broker goes on as it was.
    func goOver() {
        goesOver = false
        bequeath()
        for descriptor in heirlooms.values { _ = fcntl(descriptor, F_SETFD, 0) }
        let list = heirlooms.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        Journal.log(.upgrading, [.file: ownProgram])
        Journal.flush()
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

    /// Calls `body` with C strings, and a null pointer behind them.
    private func withArguments<R>(
        _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> R
    ) -> R {
        var pointers = unsafe strings.map { unsafe strdup($0) } + [nil]
        defer { for index in unsafe pointers.indices { unsafe free(pointers[index]) } }
        return unsafe body(&pointers)
    }

    /// Whether a descriptor becomes readable in time.
    private func isReadable(_ descriptor: Int32, milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        // One entry.
        return unsafe poll(&entry, 1, milliseconds) > 0
    }
}
