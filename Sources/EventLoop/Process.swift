// What a worker's main does with the process it is in, before its log is there.

import CLinux
import Glibc

/// Sets the title that `ps` and `top` show: a role, and the name of its listener where it has one.
package func setProcessTitle(_ title: String) {
    unsafe apus_set_title(title)
}

/// Lets the process say what it dies of, where that is a fault: signal, build id and addresses, in one line on standard error.
/// To be called before there is a second thread.
package func reportCrashes(_ program: String, version: String) {
    unsafe apus_report_crashes(program, version)
}

/// Gives up the file system, connections to others, other programs and other processes: what comes through descriptors is all
/// that is left. Each of Landlock and seccomp is applied whether or not the kernel can do the other. To be called before there is
/// a second thread, which would not be bound by it.
/// - Returns: what the kernel can not do, for the log; empty: it is all in force.
package func giveUpSurroundings() -> [SystemError] {
    // Lines of the log have local time, whose rules lie in a file.
    tzset()
    var failures: [SystemError] = []
    if apus_give_up_files() != 0 { failures.append(SystemError("give up files by Landlock")) }
    if apus_give_up_calls() != 0 { failures.append(SystemError("give up system calls by seccomp")) }
    return failures
}

/// Lets a peer that is gone be an error of a call instead of a signal; the terminal's interrupt is the supervisor's.
package func ignoreSignals() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGINT, SIG_IGN)
}

/// Ends the process because it could not start; there is no log yet, so standard error says why.
package func failToStart(_ program: String, _ error: any Error) -> Never {
    let line = Array("\(program) can not start: \(error)\n".utf8)
    _ = unsafe write(STDERR_FILENO, line, line.count)
    exit(1)
}
