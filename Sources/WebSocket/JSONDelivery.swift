// A message as a JSON client gets it: `{"Topic":"a/b","Payload":"text"}`. Called by the listener once for each
// message that has JSON clients among its recipients. Measured first, so that the frame's header and the text are
// written straight to where they are sent from. Writing beyond the span's end is fatal.

/// How a message will be written; made by `measure`.
package struct JSONDelivery: Equatable, Sendable {
    /// Bytes of the text.
    package let length: Int
    /// The payload is not UTF-8.
    @usableFromInline let isBase64: Bool
    @usableFromInline let isRetained: Bool

    @usableFromInline
    init(length: Int, isBase64: Bool, isRetained: Bool) {
        self.length = length
        self.isBase64 = isBase64
        self.isRetained = isRetained
    }

    @inlinable @inline(__always)
    static var beforeTopic: String { #"{"Topic":""# }

    @inlinable @inline(__always)
    static var beforePayload: String { #"","Payload":""# }

    @inlinable @inline(__always)
    static func afterPayload(isBase64: Bool, isRetained: Bool) -> String {
        switch (isBase64, isRetained) {
        case (false, false): #""}"#
        case (false, true): #"","Retain":true}"#
        case (true, false): #"","Encoding":"base64"}"#
        case (true, true): #"","Encoding":"base64","Retain":true}"#
        }
    }

    /// Decides how a message is written, and how long it becomes.
    ///
    /// - Parameter topic: UTF-8, as MQTT demands (MQTT 5.0 §1.5.4).
    @inlinable
    package static func measure(topic: RawSpan, payload: RawSpan, retain: Bool) -> JSONDelivery {
        var validator = UTF8Validator()
        let isBase64 = !(validator.take(payload) && validator.isComplete)
        let payloadLength =
            isBase64 ? Base64.encodedLength(payload.byteCount) : JSONText.escapedLength(payload)
        let around =
            beforeTopic.utf8.count &+ beforePayload.utf8.count
            &+ afterPayload(isBase64: isBase64, isRetained: retain).utf8.count
        return JSONDelivery(
            length: around &+ JSONText.escapedLength(topic) &+ payloadLength, isBase64: isBase64, isRetained: retain)
    }

    /// Writes the message that was measured at `start`; it takes `length` bytes.
    @inlinable
    package func write(topic: RawSpan, payload: RawSpan, to bytes: inout MutableRawSpan, at start: Int) {
        var end = Self.copy(Self.beforeTopic, to: &bytes, at: start)
        end = JSONText.write(topic, to: &bytes, at: end)
        end = Self.copy(Self.beforePayload, to: &bytes, at: end)
        if isBase64 {
            let input = Span<UInt8>(_bytes: payload)
            var offset = 0
            while offset < input.count {
                let four = Base64.characters(input, at: offset).littleEndian
                bytes.storeBytes(of: four, toByteOffset: end, as: UInt32.self)
                offset &+= 3
                end &+= 4
            }
        } else {
            end = JSONText.write(payload, to: &bytes, at: end)
        }
        _ = Self.copy(Self.afterPayload(isBase64: isBase64, isRetained: isRetained), to: &bytes, at: end)
    }

    /// Copies a fixed part and says where it ends.
    @inlinable @inline(__always)
    static func copy(_ text: String, to bytes: inout MutableRawSpan, at start: Int) -> Int {
        var end = start
        for byte in text.utf8 {
            bytes.storeBytes(of: byte, toByteOffset: end, as: UInt8.self)
            end &+= 1
        }
        return end
    }
}
