// `apusd --check` of the password file: done by auth's own program, because no other reads it. Called before there is a supervisor.

internal import CLinux
package import Configuration
internal import EventLoop
internal import Glibc
internal import Messages

extension Supervisor {
    /// Lets `apus-auth --check` read the password file, which says on standard error what is wrong with it.
    /// - Returns: what apusd is to exit with; nil where nothing is wrong.
    package static func statusOfPasswords(_ configuration: Configuration) -> Int32? {
        guard configuration.auth.authenticates else { return nil }
        let program = "\(configuration.libexecDirectory)/\(Role.auth.entry.executable)"
        let nothing = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { close(nothing) }
        // The strings live through the call; the new process gets copies.
        let process = unsafe withArguments([program, "--check", configuration.auth.passwordFile]) { list in
            unsafe apus_spawn(program, list, nothing, controlDescriptor, -1)
        }
        var status: Int32 = 0
        // The call writes one integer.
        guard process > 0, unsafe waitpid(process, &status, 0) == process else {
            let line = Array("apusd: \(program) can not be run: \(errorText(errno))\n".utf8)
            // The call is told the size of the bytes.
            _ = unsafe write(STDERR_FILENO, line, line.count)
            return 1
        }
        return ExitStatus(status) == .exited(0) ? nil : configurationStatus
    }
}
