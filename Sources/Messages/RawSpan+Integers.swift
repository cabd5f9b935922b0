// Little-endian integers at any offset of a span, bounds-checked: what hot frames are read and written with.

extension RawSpan {
    @inlinable @inline(__always)
    package func load8(at offset: Int) -> UInt8 {
        unsafe unsafeLoadChecked(offset, UInt8.self)
    }
    @inlinable @inline(__always)
    package func load16(at offset: Int) -> UInt16 {
        unsafe unsafeLoadChecked(offset, UInt16.self)
    }
    @inlinable @inline(__always)
    package func load32(at offset: Int) -> UInt32 {
        unsafe unsafeLoadChecked(offset, UInt32.self)
    }
    @inlinable @inline(__always)
    package func load64(at offset: Int) -> UInt64 {
        unsafe unsafeLoadChecked(offset, UInt64.self)
    }

    /// Any bit pattern is a value of a fixed-width integer, so the one danger is the bounds, checked here.
    @unsafe @inlinable @inline(__always)
    func unsafeLoadChecked<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _: T.Type) -> T {
        precondition(offset >= 0 && offset &+ MemoryLayout<T>.size <= byteCount)
        return unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: T.self)
    }
}

extension MutableRawSpan {
    @inlinable @inline(__always)
    package mutating func store<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
        storeBytes(of: value, toByteOffset: offset, as: T.self)
    }

    /// Copies all of `source` to `offset`.
    @inlinable @inline(__always)
    package mutating func copy(_ source: RawSpan, at offset: Int) {
        let count = source.byteCount
        precondition(offset >= 0 && offset &+ count <= byteCount)
        // Both ranges were checked, and a span that can be written overlaps no other.
        unsafe withUnsafeMutableBytes { destination in
            unsafe source.withUnsafeBytes { bytes in
                if count > 0 {
                    unsafe destination.baseAddress!.advanced(by: offset)
                        .copyMemory(from: bytes.baseAddress!, byteCount: count)
                }
            }
        }
    }
}

extension RawSpan {
    /// The same bytes as the codecs take them.
    @inlinable @inline(__always)
    package var octets: Span<UInt8> {
        @_lifetime(copy self)
        get {
            // Every bit pattern is a valid octet, and no alignment is asked for.
            unsafe _unsafeView(as: UInt8.self)
        }
    }
}

extension Span<UInt8> {
    /// The same bytes as memory.
    @inlinable @inline(__always)
    package var raw: RawSpan {
        @_lifetime(copy self)
        get {
            // Octets have no padding that could be uninitialized.
            unsafe bytes
        }
    }
}

extension RawSpan {
    /// A copy of the bytes.
    package var array: [UInt8] {
        // Exactly `byteCount` bytes are written before the array is used.
        unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            unsafe withUnsafeBytes { bytes in
                if let source = bytes.baseAddress {
                    unsafe UnsafeMutableRawBufferPointer(buffer).baseAddress?.copyMemory(
                        from: source, byteCount: bytes.count)
                }
            }
            count = byteCount
        }
    }
}
