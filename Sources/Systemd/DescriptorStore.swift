// Leaves descriptors with systemd (FileDescriptorStoreMax=), which hands them to the next process of the service: by these
// names among what `ListenDescriptors` takes. The supervisor calls it. systemd does not say whether it has taken one.

internal import CSystemd
internal import Glibc

package enum DescriptorStore {
    /// Names of ours begin so; those of socket units do not.
    package static let prefix = "apus-"

    /// Whether a service manager runs this process, which may have a store.
    package static var isAvailable: Bool {
        // Safe: the environment is not changed while threads run.
        unsafe getenv("NOTIFY_SOCKET") != nil && getenv("INVOCATION_ID") != nil
    }

    /// Stores a descriptor under a name, until it is removed. It is not watched: one whose peer is gone stays as well.
    /// - Returns: false where systemd takes nothing now: it is to be said again.
    package static func put(_ name: String, _ descriptor: Int32) -> Bool {
        // Safe: the string is a C string for the length of the call.
        unsafe apus_notify("FDSTORE=1\nFDPOLL=0\nFDNAME=\(prefix)\(name)", descriptor) != -EAGAIN
    }

    /// Removes every descriptor of a name.
    /// - Returns: as `put` does.
    @discardableResult
    package static func remove(_ name: String) -> Bool {
        // Safe: as above.
        unsafe apus_notify("FDSTOREREMOVE=1\nFDNAME=\(prefix)\(name)", -1) != -EAGAIN
    }
}

extension DescriptorStore {
    /// Asks PID 1 how many descriptors it takes, on a thread of its own.
    /// - Returns: what is readable when the answer is there. That may be never: the bus may say nothing. nil where there is no
    ///   thread for it.
    package static func askRoom() -> Int32? {
        let descriptor = apus_ask_store_room()
        return descriptor < 0 ? nil : descriptor
    }

    /// Reads the answer, waiting for it where it is not there yet, and closes the descriptor.
    /// - Returns: nil where nobody could be asked.
    package static func room(answer descriptor: Int32) -> Int? {
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64)
        // Safe: the call is told the room.
        let count = unsafe read(descriptor, &bytes, bytes.count)
        return count > 1 ? Int(String(decoding: bytes[1..<count], as: UTF8.self)) : nil
    }

    /// Lets systemd say when it has taken everything that was said before.
    /// - Returns: what ends then; nil where systemd takes nothing now.
    package static func barrier() -> Int32? {
        let descriptor = apus_ask_barrier()
        return descriptor < 0 ? nil : descriptor
    }
}
