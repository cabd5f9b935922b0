// Finds one property among the encoded ones of a message that passed the codec, without looking at the others.
// Called by the router for messages that wait.

extension PropertyIdentifier {
    /// The offset of a property's value in `range` of `bytes`, where properties stand without their length; nil where it
    /// is not among them, or they are not properties.
    package static func find(_ wanted: PropertyIdentifier, _ bytes: Span<UInt8>, _ range: Range<Int>) -> Int? {
        var position = range.lowerBound
        while position < range.upperBound {
            guard let identifier = PropertyIdentifier(rawValue: bytes[position]) else { return nil }
            position += 1
            guard let length = identifier.valueLength(bytes, position..<range.upperBound),
                length <= range.upperBound - position
            else { return nil }
            if identifier == wanted { return position }
            position += length
        }
        return nil
    }

    /// Bytes of the value that begins at the start of `range`.
    private func valueLength(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int? {
        let start = range.lowerBound
        func prefixed(_ offset: Int) -> Int? {
            guard offset + 2 <= range.upperBound else { return nil }
            return offset + 2 + (Int(bytes[offset]) << 8 | Int(bytes[offset + 1]))
        }
        switch rule.kind {
        case .boolean: return 1
        case .twoBytes, .twoBytesNotZero: return 2
        case .fourBytes, .fourBytesNotZero: return 4
        case .variableNotZero:
            var end = start
            while end < range.upperBound, bytes[end] & 0x80 != 0 { end += 1 }
            return end + 1 - start
        case .string, .topicName, .binary: return prefixed(start).map { $0 - start }
        case .stringPair: return prefixed(start).flatMap(prefixed).map { $0 - start }
        }
    }
}
