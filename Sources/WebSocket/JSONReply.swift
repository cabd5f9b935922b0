// What a JSON client is answered: acks and errors. Called by the listener once a request is done or refused.

package enum JSONReply {
    /// `{"Action":"ack","Id":…}`.
    ///
    /// - Parameter id: the request's `Id` as it was written.
    package static func ack(id: Span<UInt8>) -> [UInt8] {
        var text = Array(#"{"Action":"ack","Id":"#.utf8)
        append(id, to: &text)
        text.append(UInt8(ascii: "}"))
        return text
    }

    /// `{"Action":"error","Code":n,"Reason":"…","Id":…}`.
    ///
    /// - Parameters:
    ///   - reason: words for people.
    ///   - id: as above; empty where the request had none that could be read.
    package static func error(_ code: JSONErrorCode, reason: String, id: Span<UInt8>) -> [UInt8] {
        var text = Array(#"{"Action":"error","Code":\#(code.rawValue),"Reason":""#.utf8)
        for byte in reason.utf8 {
            if let short = JSONText.escape(byte) {
                text += short == 0 ? Array("\\u00".utf8) + hex(byte) : [UInt8(ascii: "\\"), short]
            } else {
                text.append(byte)
            }
        }
        text.append(UInt8(ascii: "\""))
        if !id.isEmpty {
            text += Array(#","Id":"#.utf8)
            append(id, to: &text)
        }
        text.append(UInt8(ascii: "}"))
        return text
    }

    private static func append(_ id: Span<UInt8>, to text: inout [UInt8]) {
        for offset in id.indices { text.append(id[offset]) }
    }

    private static func hex(_ byte: UInt8) -> [UInt8] {
        let digits = String(byte, radix: 16)
        return Array((digits.utf8.count == 1 ? "0" + digits : digits).utf8)
    }
}
