// Where the running broker's control socket is. Policy: what the user names is taken as it is; else the usual places
// are tried in turn, and the first where a broker answers is taken.

package import Control
import Glibc

/// The places to look at, in order; never empty.
///
/// - Parameter configured: gives the run-time folder that a configuration file leads to.
package func socketCandidates(
    socket: String?, config: String?, environment: [String: String],
    configured: (String) throws(Failure) -> String
) throws(Failure) -> [String] {
    if let socket { return [socket] }
    if let config { return ["\(try configured(config))/\(controlSocketName)"] }
    // systemd separates several folders by colons.
    var folders = (environment["RUNTIME_DIRECTORY"] ?? "").split(separator: ":").map(String.init)
    folders.append("/run/apus")
    if let session = environment["XDG_RUNTIME_DIR"], !session.isEmpty { folders.append("\(session)/apus") }
    // Where `make run` keeps it.
    folders.append("run/runtime")
    return folders.map { "\($0)/\(controlSocketName)" }
}

/// Connects to the first of the sockets at which a broker answers.
package func connect(toFirstOf candidates: [String]) throws(Failure) -> ControlClient {
    var failure: ControlFailure?
    for path in candidates {
        do {
            return try ControlClient(path: path)
        } catch {
            // A socket whose broker is gone, or that is not ours, says more than one that is not there.
            let exists = unsafe access(path, F_OK) == 0
            if exists && failure == nil { failure = error }
        }
    }
    if let failure { throw Failure(failure) }
    if candidates.count == 1 {
        throw Failure(.unreachable(path: candidates[0], reason: "no such file"))
    }
    throw Failure(
        .unreachable,
        "no broker answers: there is none of \(candidates.map { escaped($0) }.joined(separator: ", ")): "
            + "is apus running? (systemctl status apus), or name the socket with --socket")
}
