// Reads the fields of a packet one after the other, never beyond its end. Every decoder is written with it, but for the
// hot beginnings of PUBLISH and the acknowledgements.

/// A place in a packet.
struct PacketReader: ~Escapable {
    let bytes: Span<UInt8>
    /// The next byte to read, at most `end`.
    private(set) var position: Int
    /// One beyond the last byte of the packet.
    let end: Int

    /// Reads the bytes of `range`, which lie in `bytes`.
    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        self.bytes = bytes.extracting(0..<range.upperBound)
        position = range.lowerBound
        end = range.upperBound
    }

    /// Reads what is behind the fixed header of the packet at `offset`, all of which must be there.
    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>, at offset: Int, _ header: FixedHeader) throws(ProtocolError) {
        guard bytes.count - offset >= header.packetLength else { throw .cutShort }
        self.init(bytes, (offset + header.headerLength)..<(offset + header.packetLength))
    }

    var isAtEnd: Bool { position == end }

    mutating func byte() throws(ProtocolError) -> UInt8 {
        guard position < end else { throw .cutShort }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func twoBytes() throws(ProtocolError) -> UInt16 {
        guard end - position >= 2 else { throw .cutShort }
        defer { position += 2 }
        return UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1])
    }

    mutating func fourBytes() throws(ProtocolError) -> UInt32 {
        let high = try twoBytes()
        return UInt32(high) << 16 | UInt32(try twoBytes())
    }

    /// A Variable Byte Integer, in its shortest form.
    mutating func variable() throws(ProtocolError) -> Int {
        guard let (value, length) = try VariableByteInteger.read(bytes, at: position, end: end) else {
            throw .cutShort
        }
        guard length == VariableByteInteger.encodedLength(value) else {
            throw .malformed("a Variable Byte Integer takes more bytes than it needs", "MQTT-1.5.5-1")
        }
        position += length
        return value
    }

    /// The next `count` bytes.
    mutating func range(_ count: Int) throws(ProtocolError) -> Range<Int> {
        guard end - position >= count else { throw .cutShort }
        defer { position += count }
        return position..<(position + count)
    }

    /// All that is left.
    mutating func rest() -> Range<Int> {
        defer { position = end }
        return position..<end
    }

    /// Binary data with its two bytes of length; the range is without them.
    mutating func binary() throws(ProtocolError) -> Range<Int> {
        let count = Int(try twoBytes())
        return try range(count)
    }

    /// A UTF-8 string with its two bytes of length; the range is without them.
    mutating func text() throws(ProtocolError) -> Range<Int> {
        let range = try binary()
        guard UTF8.isValidMQTT(bytes, range) else {
            throw .malformed("a string that is not valid UTF-8 or contains U+0000", "MQTT-1.5.4-1")
        }
        return range
    }

    /// A packet identifier, which is never 0.
    mutating func packetIdentifier() throws(ProtocolError) -> UInt16 {
        let identifier = try twoBytes()
        guard identifier != 0 else { throw .zeroPacketIdentifier }
        return identifier
    }

    mutating func string() throws(ProtocolError) -> String { string(try text()) }

    /// The string in a range that has been checked.
    func string(_ range: Range<Int>) -> String { String(decoding: array(range), as: UTF8.self) }

    func array(_ range: Range<Int>) -> [UInt8] {
        var array: [UInt8] = []
        array.reserveCapacity(range.count)
        for index in range { array.append(bytes[index]) }
        return array
    }

    /// Passes at the end of the packet only.
    func expectEnd() throws(ProtocolError) {
        guard isAtEnd else { throw .malformed("a packet that goes on behind its last field", "MQTT-2.1.4") }
    }
}

extension ProtocolError {
    @usableFromInline
    static var cutShort: ProtocolError {
        .malformed("a field that goes on beyond the end of its packet", "MQTT-2.1.4")
    }

    @usableFromInline
    static var zeroPacketIdentifier: ProtocolError { .forbidden("a packet identifier of 0", "MQTT-2.2.1-3") }
}
