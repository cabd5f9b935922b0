// A newer apusd shows, as a child, that it can go on from here, before this process becomes it: afterwards nobody is left to
// fall back on. Everything goes on meanwhile, and whoever asked hears what came of it.

internal import CLinux
internal import Control
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages
internal import Systemd

/// A program that shows that it can read the configuration and the estate.
struct Proof {
    /// How long it may take: milliseconds.
    static let limit: UInt64 = 5000

    /// Who waits for it.
    enum Asker {
        case signal
        /// An operator, by its number.
        case reload(UInt32, ReloadReport)
        case upgrade(UInt32)
    }

    let process: Int32
    /// Tells its end.
    let descriptor: Int32
    var askers: [Asker]
}

extension Supervisor {
    /// Lets a program begin to show that it can go on.
    /// - Throws: where it can not be run.
    func prove(_ program: String, for asker: Proof.Asker, _ now: UInt64) throws(ReloadFailure) {
        guard proof == nil else {
            proof!.askers.append(asker)
            return
        }
        let arguments = ["apusd", "--check", "--estate", "\(controlDescriptor)"] + configurationArguments
        // The strings live through the call; the new process gets copies.
        let process = unsafe withArguments(arguments) { list in
            unsafe apus_spawn(program, list, estateFile!.descriptor, controlDescriptor, -1)
        }
        guard process > 0 else { throw notUsable(program, "it can not be run: \(errorText(errno))") }
        let descriptor = apus_process_descriptor(process)
        guard descriptor >= 0, (try? poller.add(descriptor, .readable, tag: Source.proof.tag)) != nil else {
            let reason = "it can not be watched: \(errorText(errno))"
            Glibc.kill(process, SIGKILL)
            strangers.append(process)
            if descriptor >= 0 { close(descriptor) }
            throw notUsable(program, reason)
        }
        proof = Proof(process: process, descriptor: descriptor, askers: [asker])
        timers.set(.proof, at: now + Proof.limit)
    }

    /// It has taken too long; its end will be seen.
    func proofExpired() {
        if let proof { Glibc.kill(proof.process, SIGKILL) }
    }

    /// The program has ended.
    func proofEnded(_ now: UInt64) {
        guard let proof else { return }
        self.proof = nil
        timers.cancel(.proof)
        poller.remove(proof.descriptor)
        close(proof.descriptor)
        var status: Int32 = 0
        // The call writes one integer.
        let isSeen = unsafe waitpid(proof.process, &status, 0) == proof.process
        do throws(ReloadFailure) {
            if let reason = isSeen ? Self.problem(ExitStatus(status)) : "its end was not seen" {
                throw notUsable(ownProgram, reason)
            }
            try checkReadiness()
            goesOver = state == .ready
            answer(proof.askers, nil, now)
        } catch {
            answer(proof.askers, error, now)
        }
    }

    private static func problem(_ status: ExitStatus) -> String? {
        switch status {
        case .exited(0): nil
        case .exited(estateStatus): "it does not know layout \(Layout.inForce)"
        default: "asked to read the configuration and the state, it ended with \(status)"
        }
    }

    private func notUsable(_ program: String, _ reason: String) -> ReloadFailure {
        Journal.log(.upgradeFailed, [.file: program, .reason: reason])
        return ReloadFailure(reason: "\(program) is newer and can not be used: \(reason)")
    }

    func answer(_ askers: [Proof.Asker], _ failure: ReloadFailure?, _ now: UInt64) {
        for asker in askers {
            switch asker {
            case .signal: Notify.send(.ready)
            case .reload(let number, let report):
                Notify.send(.ready)
                guard let connection = operators[number] else { continue }
                if failure == nil { connection.answer(.reload(report)) }
                finish(connection, failure.map { .error(Refusal(.reloadFailed, $0.reason)) } ?? .end(next: nil))
                serve(connection, now)
            case .upgrade(let number):
                // Else it is answered when the workers are replaced.
                guard let connection = operators[number], let failure else { continue }
                finish(connection, .error(Refusal(.upgradeFailed, failure.reason)))
                serve(connection, now)
            }
        }
    }
}
