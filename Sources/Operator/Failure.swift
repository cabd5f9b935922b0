// How apusctl ends when it could not do what it was asked: a status for scripts and a sentence for people. Every
// error that a command throws is one of these; ``ApusCtl/start()`` prints it and exits.

package import Control

/// Why a command ended without success.
package struct Failure: Error, Equatable {
    package var status: Status
    /// What happened, to what, and what to do; empty where all has been said already. Safe to show on a terminal.
    package var text: String

    package init(_ status: Status, _ text: String) {
        self.status = status
        self.text = text
    }
}

extension Failure {
    /// The exit statuses of apusctl, an interface for scripts.
    package enum Status: Int32, CaseIterable, Sendable {
        /// Done.
        case done = 0
        /// The broker refused it, or it failed on the way.
        case failed = 1
        /// No broker answers.
        case unreachable = 3
        /// No client with this id is connected.
        case noSuchClient = 4
        /// The time given with --timeout passed first.
        case timedOut = 5
        /// The command line is wrong. ArgumentParser exits with the same.
        case usage = 64
        /// This user may not operate the broker.
        case notPermitted = 77
        /// The configuration file is wrong.
        case configuration = 78

        /// For the manual and `--help`.
        package var meaning: String {
            switch self {
            case .done: "done"
            case .failed: "refused by the broker, or failed"
            case .unreachable: "no broker answers"
            case .noSuchClient: "no client with this id is connected"
            case .timedOut: "the time given with --timeout passed first"
            case .usage: "wrong command line"
            case .notPermitted: "this user may not operate the broker"
            case .configuration: "wrong configuration file"
            }
        }
    }
}

extension Failure {
    /// What failed on the control socket, in words.
    package init(_ failure: ControlFailure) {
        switch failure {
        case .unreachable(let path, let reason):
            self.init(
                .unreachable,
                "no broker answers on \(escaped(path)) (\(reason)): is apus running? (systemctl status apus), "
                    + "or name the socket with --socket")
        case .notPermitted(let path):
            self.init(
                .notPermitted,
                "\(escaped(path)) may not be used by this user: become root or join the broker's group")
        case .pathTooLong(let path):
            self.init(
                .usage, "\(escaped(path)) is too long for a Unix socket: at most 107 bytes, try a relative path")
        case .timedOut(let seconds):
            self.init(
                .unreachable,
                "the broker did not answer within \(number(seconds)) s: see what it does with systemctl status apus")
        case .disconnected:
            self.init(
                .unreachable, "the broker closed the connection without an answer: it may be restarting, try again")
        case .notUnderstood(let what):
            self.init(
                .failed,
                "the broker's answer is not understood (\(escaped(what))): use the apusctl that came with this apusd")
        case .refused(let refusal):
            self.init(Status(refusal.code), escaped(refusal.text))
        }
    }
}

extension Failure.Status {
    init(_ code: Refusal.Code) {
        self =
            switch code {
            case .noSuchClient: .noSuchClient
            case .notPermitted: .notPermitted
            case .unavailable: .unreachable
            default: .failed
            }
    }
}
