// Writing and reading the frames that are not on the path of a message: fields one after another, strings and blobs
// with a u32 length before them. Hot frames (Publish, Deliver, Acknowledge) write their few integers by hand.

/// A frame that can be written, and read back.
package protocol Frame: Sendable {
    static var type: FrameType { get }
    func write(to writer: inout FrameWriter)
    init(from reader: inout FrameReader) throws(FrameError)
}

extension Frame {
    /// The whole frame, header included.
    package func encoded() -> [UInt8] {
        var writer = FrameWriter(Self.type)
        write(to: &writer)
        return writer.finish()
    }

    /// Decodes one whole frame, and refuses it if its fields do not end where it ends.
    package init(decoding frame: RawSpan) throws(FrameError) {
        guard let header = try FrameHead.read(frame, at: 0) else { throw FrameError("frame shorter than its header") }
        guard header.type == Self.type else { throw FrameError("another frame type than expected") }
        guard header.length == frame.byteCount else { throw FrameError("frame length differs from what arrived") }
        var reader = FrameReader(frame)
        self = try Self(from: &reader)
        try reader.end()
    }

    package init(decoding frame: [UInt8]) throws(FrameError) {
        try unsafe self.init(decoding: frame.span.bytes)
    }
}

/// Collects the fields of one frame.
package struct FrameWriter {
    private(set) package var bytes: [UInt8]

    package init(_ type: FrameType, flags: UInt8 = 0) {
        bytes = []
        bytes.reserveCapacity(64)
        integer(FrameHead.word(length: 0, type: type, flags: flags))
    }

    package mutating func integer<T: FixedWidthInteger>(_ value: T) {
        var rest = T.Magnitude(truncatingIfNeeded: value)
        for _ in 0..<(T.bitWidth / 8) {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest = T.bitWidth > 8 ? rest >> 8 : 0
        }
    }

    package mutating func boolean(_ value: Bool) { bytes.append(value ? 1 : 0) }

    package mutating func blob(_ value: [UInt8]) {
        integer(UInt32(value.count))
        bytes.append(contentsOf: value)
    }

    package mutating func integers(_ values: [UInt64]) {
        integer(UInt32(values.count))
        for value in values { integer(value) }
    }

    package mutating func blobs(_ values: [[UInt8]]) {
        integer(UInt32(values.count))
        for value in values { blob(value) }
    }

    package mutating func string(_ value: String) {
        integer(UInt32(value.utf8.count))
        bytes.append(contentsOf: value.utf8)
    }

    package mutating func strings(_ values: [String]) {
        integer(UInt32(values.count))
        for value in values { string(value) }
    }

    /// Stores the length, now known, in the header.
    package mutating func finish() -> [UInt8] {
        #if APUS_LAYOUT_VARIANT
            // The layout of the tests: it appends a field to each of these frames.
            if Layout.inForce == Layout.newest { integer(FrameReader.variantMark) }
        #endif
        let length = UInt32(bytes.count)
        for i in 0..<4 { bytes[i] = UInt8(truncatingIfNeeded: length >> (8 * UInt32(i))) }
        return bytes
    }
}

/// Takes the fields of one frame in order; every read is checked against the frame's end.
package struct FrameReader: ~Escapable {
    private let bytes: RawSpan
    private var position: Int

    #if APUS_LAYOUT_VARIANT
        fileprivate static var variantMark: UInt32 { 0x5A5A_5A5A }
    #endif

    /// `frame` is one whole frame; reading begins behind its header.
    @_lifetime(copy frame)
    package init(_ frame: RawSpan) {
        bytes = frame
        position = FrameHead.byteCount
    }

    package mutating func integer<T: FixedWidthInteger>(_: T.Type = T.self) throws(FrameError) -> T {
        let count = T.bitWidth / 8
        guard bytes.byteCount - position >= count else { throw FrameError("frame ends within a field") }
        var value: T = 0
        for i in 0..<count { value |= T(truncatingIfNeeded: bytes.load8(at: position + i)) << T(8 * i) }
        position += count
        return value
    }

    package mutating func boolean() throws(FrameError) -> Bool {
        switch try integer(UInt8.self) {
        case 0: return false
        case 1: return true
        default: throw FrameError("a boolean that is neither 0 nor 1")
        }
    }

    package mutating func blob() throws(FrameError) -> [UInt8] {
        let count = Int(try integer(UInt32.self))
        guard bytes.byteCount - position >= count else { throw FrameError("frame ends within a field") }
        var value: [UInt8] = []
        value.reserveCapacity(count)
        for i in 0..<count { value.append(bytes.load8(at: position + i)) }
        position += count
        return value
    }

    package mutating func integers() throws(FrameError) -> [UInt64] {
        var values: [UInt64] = []
        for _ in 0..<(try count(ofItemsOf: 8)) { values.append(try integer()) }
        return values
    }

    package mutating func blobs() throws(FrameError) -> [[UInt8]] {
        var values: [[UInt8]] = []
        for _ in 0..<(try count(ofItemsOf: 4)) { values.append(try blob()) }
        return values
    }

    package mutating func string() throws(FrameError) -> String {
        guard let value = String(validating: try blob(), as: UTF8.self) else {
            throw FrameError("text that is not UTF-8")
        }
        return value
    }

    package mutating func strings() throws(FrameError) -> [String] {
        var values: [String] = []
        for _ in 0..<(try count(ofItemsOf: 4)) { values.append(try string()) }
        return values
    }

    /// A count of items of at least `size` bytes each, checked against what is left, so that a wrong count can not
    /// make the reader reserve memory.
    package mutating func count(ofItemsOf size: Int) throws(FrameError) -> Int {
        let count = Int(try integer(UInt32.self))
        guard count <= (bytes.byteCount - position) / size else { throw FrameError("a count beyond the frame's end") }
        return count
    }

    /// The layout that the frame is in.
    package var layout: UInt16 { Layout.of(bytes) }

    package mutating func end() throws(FrameError) {
        #if APUS_LAYOUT_VARIANT
            if layout == Layout.newest {
                guard try integer(UInt32.self) == Self.variantMark else { throw FrameError("no mark of the variant") }
            }
        #endif
        guard position == bytes.byteCount else { throw FrameError("bytes behind the last field") }
    }
}
