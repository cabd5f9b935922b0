// What a worker's main does with the process it is in, before its log is there.

import CLinux
import Glibc

/// Sets the title that `ps` and `top` show: a role, and the name of its listener where it has one.
package func setProcessTitle(_ title: String) {
    unsafe apus_set_title(title)
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
