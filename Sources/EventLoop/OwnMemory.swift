// How much memory a process has, for what it tells of itself.

import Glibc

/// Bytes of this process's own memory that are resident: without what it shares with others, programs and arenas above all. 0
/// where the kernel does not say.
package func ownMemory() -> UInt64 {
    let file = unsafe open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return 0 }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 128)
    // The array is as long as the call is told.
    let count = unsafe Glibc.read(file, &bytes, bytes.count)
    guard count > 0 else { return 0 }
    // Pages: of the address space, resident, of those shared, …
    let pages = bytes[..<count].split(separator: UInt8(ascii: " ")).map { digits in
        digits.reduce(UInt64(0)) { $0 &* 10 &+ UInt64($1 &- UInt8(ascii: "0")) }
    }
    guard pages.count > 2, pages[1] >= pages[2] else { return 0 }
    return (pages[1] - pages[2]) * UInt64(sysconf(Int32(_SC_PAGESIZE)))
}
