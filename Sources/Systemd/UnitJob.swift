// Asks PID 1 what it is doing with the unit of this process, and waits for nobody: the supervisor, which goes on serving, does.

internal import CSystemd
internal import Glibc

/// What the service manager is doing with the unit of this process.
package enum UnitJob: Equatable, Sendable {
    /// `restart`, `stop`, …
    case kind(String)
    /// Nothing.
    case none
    /// Nobody could be asked.
    case unknown

    /// Asks PID 1, on a thread of its own.
    /// - Returns: what is readable when the answer is there. That may be never: the bus may say nothing. nil where there is no
    ///   thread for it.
    package static func ask() -> Int32? {
        let descriptor = apus_ask_unit_job()
        return descriptor < 0 ? nil : descriptor
    }

    /// Reads the answer, waiting for it where it is not there yet, and closes the descriptor.
    package init(answer descriptor: Int32) {
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64)
        // Safe: the call is told the room.
        let count = unsafe read(descriptor, &bytes, bytes.count)
        guard count > 0 else {
            self = .unknown
            return
        }
        self = count == 1 ? .none : .kind(String(decoding: bytes[1..<count], as: UTF8.self))
    }
}
