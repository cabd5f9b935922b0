// Checks UTF-8 Encoded Strings (MQTT 5 §1.5.4). Called for every string of every packet.

extension UTF8 {
    /// Whether the bytes are well-formed UTF-8, so without surrogates [MQTT-1.5.4-1], and without U+0000
    /// [MQTT-1.5.4-2]. Control characters and non-characters, which a receiver may refuse, pass.
    @inlinable
    package static func isValidMQTT(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        let text = bytes.extracting(range)
        // No way out of the loop but its end, so that it is compiled to vector instructions.
        var marks: UInt8 = 0
        for index in text.indices {
            let byte = text[index]
            marks |= byte | (byte &- 1)
        }
        // The top bit: a byte was 0, or not ASCII.
        return marks < 0x80 || isValidBeyondASCII(text)
    }

    /// As `isValidMQTT(_:_:)`, of all bytes.
    @inlinable @inline(__always)
    package static func isValidMQTT(_ bytes: Span<UInt8>) -> Bool { isValidMQTT(bytes, 0..<bytes.count) }

    @usableFromInline @inline(never)
    static func isValidBeyondASCII(_ text: Span<UInt8>) -> Bool {
        for index in text.indices where text[index] == 0 { return false }
        return (try? UTF8Span(validating: text)) != nil
    }

    /// Whether the bytes are well-formed UTF-8, U+0000 allowed: what a payload format indicator of 1 says of a payload
    /// (MQTT 5 §3.3.2.3.2). For those who answer 0x99; no decoder calls this.
    package static func isValidPayload(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        (try? UTF8Span(validating: bytes.extracting(range))) != nil
    }
}
