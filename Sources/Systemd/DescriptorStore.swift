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
    package static func put(_ name: String, _ descriptor: Int32) {
        var descriptor = descriptor
        // Safe: the string is a C string for the length of the call, which reads one descriptor.
        _ = unsafe sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDPOLL=0\nFDNAME=\(prefix)\(name)", &descriptor, 1)
    }

    /// Removes every descriptor of a name.
    package static func remove(_ name: String) {
        // Safe: as above.
        _ = unsafe sd_notify(0, "FDSTOREREMOVE=1\nFDNAME=\(prefix)\(name)")
    }
}

extension DescriptorStore {
    /// How many descriptors it takes; nil where nobody could be asked. Asks PID 1, for half a second at most.
    package static func room() -> Int? {
        let room = apus_store_room()
        return room < 0 ? nil : Int(room)
    }

    /// Waits until systemd has taken everything that was said, a second at most.
    package static func settle() {
        // Safe: the call has no pointers.
        _ = sd_notify_barrier(0, 1_000_000)
    }
}
