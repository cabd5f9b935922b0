// What the JSON protocol answers to requests. Called by the listener; nothing is fatal.

package enum JSONReply {
    /// `{"Action":"ack","Id":…}`
    ///
    /// - Parameter id: as the client wrote it, quotes included.
    package static func ack(_ id: [UInt8]) -> [UInt8] {
        Array(#"{"Action":"ack","Id":"#.utf8) + id + [UInt8(ascii: "}")]
    }

    /// `{"Action":"error","Code":n,"Reason":"…","Id":…}`, without `Id` where the request had none.
    package static func error(code: UInt16, reason: String, id: [UInt8]?) -> [UInt8] {
        let words = Array(reason.utf8)
        var text = Array(#"{"Action":"error","Code":\#(code),"Reason":""#.utf8)
        text += escaped(words)
        text.append(UInt8(ascii: "\""))
        if let id { text += Array(#","Id":"#.utf8) + id }
        text.append(UInt8(ascii: "}"))
        return text
    }

    private static func escaped(_ words: [UInt8]) -> [UInt8] {
        // Octets have no padding that could be uninitialized.
        let bytes = unsafe words.span.bytes
        var text = [UInt8](repeating: 0, count: JSONText.escapedLength(bytes))
        var span = text.mutableSpan
        var room = unsafe span.mutableBytes
        _ = JSONText.write(bytes, to: &room, at: 0)
        return text
    }
}
