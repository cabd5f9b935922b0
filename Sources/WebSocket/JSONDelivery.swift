// A message as a JSON client gets it: `{"Topic":"a/b","Payload":"text"}`. Called by the listener once for each
// message that has JSON clients among its recipients. Measured first, so that the frame's header and the text are
// written straight to where they are sent from. Writing beyond the span's end is fatal.

/// How a message will be written; made by `measure`.
package struct JSONDelivery: Equatable, Sendable {
    /// Bytes of the text.
    package let length: Int
    /// The payload is not UTF-8.
    let isBase64: Bool
    let isRetained: Bool

    init(length: Int, isBase64: Bool, isRetained: Bool) {
        self.length = length
        self.isBase64 = isBase64
        self.isRetained = isRetained
    }

    /// Decides how a message is written, and how long it becomes.
    ///
    /// - Parameter topic: UTF-8, as MQTT demands ([MQTT-4.7.3]).
    package static func measure(topic: RawSpan, payload: RawSpan, retain: Bool) -> JSONDelivery {
        var validator = UTF8Validator()
        let isBase64 = !(validator.take(payload) && validator.isComplete)
        var length = Part.topic.utf8CodeUnitCount &+ JSONText.escapedLength(topic) &+ Part.payload.utf8CodeUnitCount
        if isBase64 {
            length &+= Base64.encodedLength(payload.byteCount) &+ Part.base64.utf8CodeUnitCount
        } else {
            length &+= JSONText.escapedLength(payload) &+ Part.quote.utf8CodeUnitCount
        }
        length &+= retain ? Part.retainEnd.utf8CodeUnitCount : Part.end.utf8CodeUnitCount
        return JSONDelivery(length: length, isBase64: isBase64, isRetained: retain)
    }

    /// Writes the message that was measured at `start`.
    ///
    /// - Returns: bytes written, `length`.
    @discardableResult
    package func write(topic: RawSpan, payload: RawSpan, to bytes: inout MutableRawSpan, at start: Int) -> Int {
        var end = Self.copy(Part.topic, to: &bytes, at: start)
        end = JSONText.write(topic, to: &bytes, at: end)
        end = Self.copy(Part.payload, to: &bytes, at: end)
        if isBase64 {
            let input = Span<UInt8>(_bytes: payload)
            var offset = 0
            while offset < input.count {
                let four = Base64.characters(input, at: offset).littleEndian
                bytes.storeBytes(of: four, toByteOffset: end, as: UInt32.self)
                offset &+= 3
                end &+= 4
            }
            end = Self.copy(Part.base64, to: &bytes, at: end)
        } else {
            end = JSONText.write(payload, to: &bytes, at: end)
            end = Self.copy(Part.quote, to: &bytes, at: end)
        }
        end = Self.copy(isRetained ? Part.retainEnd : Part.end, to: &bytes, at: end)
        return end &- start
    }

    /// Copies a fixed part to `start`, and says where it ends.
    private static func copy(_ part: StaticString, to bytes: inout MutableRawSpan, at start: Int) -> Int {
        var end = start
        // The text of a constant lives as long as the process.
        for unsafe byte in unsafe UnsafeBufferPointer(start: part.utf8Start, count: part.utf8CodeUnitCount) {
            bytes.storeBytes(of: byte, toByteOffset: end, as: UInt8.self)
            end &+= 1
        }
        return end
    }
}

/// What stands around the topic and the payload.
private enum Part {
    static let topic: StaticString = #"{"Topic":""#
    static let payload: StaticString = #"","Payload":""#
    static let quote: StaticString = #"""#
    static let base64: StaticString = #"","Encoding":"base64""#
    static let retainEnd: StaticString = #","Retain":true}"#
    static let end: StaticString = "}"
}
