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

/// Gives up the file system, and TCP connections to others: what comes through descriptors is all that is left. To be called
/// before there is a second thread.
/// - Throws: where the kernel can not do it (Landlock, from Linux 5.13; TCP from 6.7).
package func giveUpFiles() throws(SystemError) {
    // Lines of the log have local time, whose rules lie in a file.
    tzset()
    guard apus_give_up_files() == 0 else { throw SystemError("give up files by Landlock") }
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
