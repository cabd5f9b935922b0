// Where the running broker's control socket is. Policy: what the user names is taken as it is; else the usual places
// are tried in turn, and the first where a broker answers is taken.

import Configuration
package import Control
import Glibc

/// The places to look at, in order; never empty.
package func socketCandidates(
    socket: String?, config: String?, environment: [String: String]
) throws(Failure) -> [String] {
    if let socket { return [socket] }
    var folders: [String]
    if let config {
        do {
            folders = [try Configuration.load(path: config, environment: environment).runtimeDirectory]
        } catch {
            throw Failure(.configuration, error.problems.map { escaped($0.description) }.joined(separator: "\n"))
        }
    } else {
        // The last is where `make run` keeps it.
        folders = Configuration.runtimeDirectories(environment: environment) + ["run/runtime"]
    }
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
