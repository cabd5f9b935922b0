// Finds out who holds a port, for the message that says so: the socket's number from /proc/net, then the process that
// has it open. Read once, when a bind has failed.

internal import Configuration
internal import Glibc

/// Who listens on an address, as words: `mosquitto (process 812) holds it`.
func holder(of bind: Configuration.Address) -> String {
    let port: UInt16 =
        switch bind {
        case .ipv4(_, let port), .ipv6(_, let port): port
        case .systemd: 0
        }
    let sockets = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap { listeningSockets(inTable: readFile($0), port: port) }
    guard let socket = sockets.first else { return "another socket is bound to it" }
    for process in listDirectory("/proc") {
        guard let number = Int(process) else { continue }
        for descriptor in listDirectory("/proc/\(number)/fd")
        where readLink("/proc/\(number)/fd/\(descriptor)") == "socket:[\(socket.inode)]" {
            let name = readFile("/proc/\(number)/comm").prefix { $0 != "\n" }
            return "\(name) (process \(number)) holds it"
        }
    }
    return "a process of user \(socket.user) holds it"
}

/// The sockets in a table of /proc/net that listen on a port: the user they belong to and their inode.
func listeningSockets(inTable table: String, port: UInt16) -> [(user: Int, inode: Int)] {
    table.split(separator: "\n").dropFirst().compactMap { line in
        // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode; 0A is LISTEN.
        let columns = line.split(separator: " ")
        guard columns.count > 9, columns[3] == "0A", let local = columns[1].split(separator: ":").last,
            UInt16(local, radix: 16) == port, let user = Int(columns[7]), let inode = Int(columns[9])
        else { return nil }
        return (user, inode)
    }
}

private func readFile(_ path: String) -> String {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
        // The call is told the buffer's size.
        let count = unsafe read(descriptor, &chunk, chunk.count)
        guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
        bytes += chunk.prefix(count)
    }
}

func readLink(_ path: String) -> String {
    var buffer = [UInt8](repeating: 0, count: 256)
    // The call is told the buffer's size; what it writes has no end mark.
    let count = unsafe buffer.withUnsafeMutableBytes { bytes in
        unsafe readlink(path, bytes.assumingMemoryBound(to: CChar.self).baseAddress!, bytes.count)
    }
    return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
}

private func listDirectory(_ path: String) -> [String] {
    guard let directory = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    // An entry is valid until the next call; its name ends with a zero.
    while let entry = unsafe readdir(directory) {
        let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if !name.hasPrefix(".") { names.append(name) }
    }
    return names
}
