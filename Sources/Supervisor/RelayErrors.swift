// What workers write to standard error, a crash above all, goes into the journal with the worker's fields. One pair of
// sockets for all of them: the kernel says who wrote. It outlives the supervisor, as a worker may crash while there is none.
//
// Where standard error is no journal, workers have the supervisor's own, and none of this is there.

internal import CLinux
internal import EventLoop
internal import Glibc
internal import Journal
internal import Systemd

extension Supervisor {
    /// The longest text that is read at once; a crash says less than half of it.
    private static let longestOutput = 8192
    /// The most texts that are read in a turn.
    private static let outputsPerTurn = 64

    /// Takes the pair that a former supervisor has left, or makes one. Without it workers go on with this process's own.
    func openErrors() {
        guard JournalSocket.isStandardError() else { return }
        var ends: (reader: Int32, writer: Int32)
        if let reader = inheritance.take("errors-reader"), let writer = inheritance.take("errors-writer") {
            ends = (reader, writer)
        } else {
            ends = (-1, -1)
            // The call writes two integers.
            guard unsafe apus_output_pair(&ends.reader, &ends.writer) == 0 else { return }
        }
        guard (try? poller.add(ends.reader, .readable, tag: Source.errors.tag)) != nil else {
            close(ends.reader)
            close(ends.writer)
            return
        }
        errors = ends
        JournalSocket.relays(ends.writer)
    }

    /// Puts into the journal what was written.
    func relayErrors() {
        guard let errors else { return }
        var bytes = [UInt8](repeating: 0, count: Self.longestOutput)
        for _ in 0..<Self.outputsPerTurn {
            var process: pid_t = 0
            // The call is told the room.
            let count = unsafe apus_receive_output(errors.reader, &bytes, bytes.count, &process)
            guard count > 0 else { return }
            relay(String(decoding: bytes[..<count], as: UTF8.self), of: process)
        }
    }

    private func relay(_ text: String, of process: pid_t) {
        let worker = workers.values.first { $0.process == process }
        for line in text.split(whereSeparator: \.isNewline) {
            Journal.log(
                .workerWrote, [.reason: String(line)],
                of: worker?.fields ?? [.worker: "worker", .pid: "\(process)"])
        }
    }
}
