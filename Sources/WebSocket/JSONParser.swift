// Reads the members of one JSON object, through simdjson. A listener has one parser and its buffers, which grow to
// its longest message and stay, so that parsing allocates nothing. Called by `JSONRequest`. Memory that is short is
// fatal when the parser is made, an error afterwards.

import CSimdJSON

@safe
package struct JSONParser: ~Copyable {
    /// How deeply values may be nested, in keys that mean nothing here too: the object itself is 1.
    static let depthLimit = 32

    /// Owned by this value alone: made and freed once, never given out.
    private let parser: OpaquePointer
    /// The member that `next` has read. What it points to holds until the next `begin`.
    private var member = unsafe csj_member()

    package init() {
        guard let parser = unsafe csj_create() else { fatalError("There is no memory for a JSON parser.") }
        unsafe self.parser = parser
    }

    deinit { unsafe csj_destroy(parser) }

    /// Begins with a text; `next` then reads its members.
    mutating func begin(_ text: RawSpan) throws(JSONError) {
        // The C function copies the text and keeps no pointer.
        let result = unsafe text.withUnsafeBytes {
            unsafe csj_begin(parser, $0.assumingMemoryBound(to: UInt8.self).baseAddress, $0.count, Self.depthLimit)
        }
        _ = try Self.isMember(result)
    }

    /// Reads the next member.
    ///
    /// - Returns: false at the object's end, with all of the text checked.
    /// - Throws: where the text is not one JSON object; neither `next` nor the members may be asked for after it.
    mutating func next() throws(JSONError) -> Bool {
        try Self.isMember(unsafe csj_next(parser, &member))
    }

    /// The member's key, unescaped and in lower case (ASCII's): its bytes, the first one lowest. 0 where it has
    /// more than eight, as none has that means something.
    var shortKey: UInt64 {
        guard unsafe member.key_length <= 8 else { return 0 }
        return unsafe Self.short(UnsafeBufferPointer(start: member.key, count: member.key_length))
    }

    /// A key of up to eight bytes as `shortKey` gives it.
    static func short(_ key: some Collection<UInt8>) -> UInt64 {
        var short: UInt64 = 0
        for (offset, byte) in key.enumerated() {
            // It would look like the end of a shorter key.
            if byte == 0 { return 0 }
            let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
            short |= UInt64(isUpper ? byte | 0x20 : byte) << UInt64(8 * offset)
        }
        return short
    }

    var kind: csj_kind { unsafe member.kind }

    /// Appends a string, unescaped, to the scratch buffer and says where it lies.
    func text(into scratch: inout [UInt8]) -> Range<Int> {
        unsafe Self.copy(member.text, member.length, &scratch)
    }

    /// Appends a string or a number as it was written, a string with its quotes.
    func written(into scratch: inout [UInt8]) -> Range<Int> {
        unsafe Self.copy(member.raw, member.raw_length, &scratch)
    }

    /// Bytes of a string or a number as it was written.
    var writtenLength: Int { unsafe member.raw_length }

    /// The shim's pointers are null only where the count is 0.
    private static func copy(_ start: UnsafePointer<UInt8>?, _ count: Int, _ scratch: inout [UInt8]) -> Range<Int> {
        let begin = scratch.count
        unsafe scratch.append(contentsOf: UnsafeBufferPointer(start: start, count: count))
        return begin..<scratch.count
    }

    private static func isMember(_ result: csj_result) throws(JSONError) -> Bool {
        switch result {
        case .member: return true
        case .end: return false
        case .not_object: throw JSONError(.malformed, "The message is not a JSON object.")
        case .too_deep: throw JSONError(.malformed, "The message is nested too deeply.")
        case .no_memory: throw JSONError(.unavailable, "The broker has no memory for a message of this length.")
        case .invalid: throw JSONError(.malformed, "The message is not valid JSON.")
        }
    }
}
