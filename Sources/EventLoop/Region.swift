// A piece of memory for the bytes of a stream: mapped once, of a fixed size, used only as far as it is touched.

import CLinux
import Glibc

/// Anonymous memory that lasts as long as the process, or until `release()`. A copy names the same memory.
///
/// Its spans do not borrow the region, because a loop reads frames from it while it changes everything else. What that
/// asks for is kept by the types that own regions: bytes that are being read are not written over.
@safe
package struct Region {
    @usableFromInline let base: UnsafeMutableRawPointer
    package let byteCount: Int

    /// - Parameter byteCount: rounded up to pages.
    /// - Throws: `SystemError` when the address space is exhausted.
    package init(byteCount: Int) throws(SystemError) {
        let rounded = (byteCount + 4095) & ~4095
        let address = unsafe mmap(
            nil, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let address = unsafe address, unsafe address != MAP_FAILED else {
            throw SystemError("map \(rounded) bytes of memory")
        }
        unsafe base = address
        self.byteCount = rounded
    }

    /// The bytes of `range`, to be read before they are written over.
    @inlinable @inline(__always)
    @_lifetime(immortal)
    package func span(_ offset: Int, _ count: Int) -> RawSpan {
        precondition(offset >= 0 && count >= 0 && offset &+ count <= byteCount)
        // The mapping outlives every use: see the type.
        return unsafe _overrideLifetime(RawSpan(_unsafeStart: base + offset, byteCount: count), copying: ())
    }

    /// The bytes of `range`, to be written.
    @inlinable @inline(__always)
    @_lifetime(immortal)
    package func mutableSpan(_ offset: Int, _ count: Int) -> MutableRawSpan {
        precondition(offset >= 0 && count >= 0 && offset &+ count <= byteCount)
        return unsafe _overrideLifetime(MutableRawSpan(_unsafeStart: base + offset, byteCount: count), copying: ())
    }

    /// Moves bytes within the region; the ranges may overlap.
    @inlinable
    package func move(from source: Int, to target: Int, count: Int) {
        precondition(source >= 0 && target >= 0 && count >= 0)
        precondition(source &+ count <= byteCount && target &+ count <= byteCount)
        unsafe (base + target).copyMemory(from: base + source, byteCount: count)
    }

    /// Gives the memory back. No span of it may be in use.
    package func release() {
        unsafe munmap(base, byteCount)
    }
}
