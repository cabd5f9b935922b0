// The payload of a close frame (RFC 6455 §5.5.1): a code and words for people. Called by the listener when one
// side closes. Nothing is fatal.

package enum CloseFrame {
    /// Reads a client's close frame, unmasked.
    ///
    /// - Returns: the code to answer with, nil where the client gave none.
    /// - Throws: 1002 for a payload of one byte or a code that may not be sent, 1007 where the words are not UTF-8.
    package static func read(_ payload: RawSpan) throws(WebSocketError) -> UInt16? {
        if payload.isEmpty { return nil }
        if payload.byteCount == 1 {
            throw WebSocketError(.protocolError, "a close frame has half a code", "§5.5.1")
        }
        let code = UInt16(bigEndian: payload.integer(UInt16.self, at: 0))
        guard maySend(code) else {
            throw WebSocketError(.protocolError, "a close frame has a code that may not be sent", "§7.4")
        }
        var words = UTF8Validator()
        guard words.take(payload.extracting(2..<payload.byteCount)), words.isComplete else {
            throw WebSocketError(.invalidPayload, "the reason in a close frame is not UTF-8", "§5.5.1")
        }
        return code
    }

    /// Whether a code may stand in a close frame: 1004 to 1006 and 1015 may not, 3000 to 4999 belong to
    /// applications, the rest is what the registry holds (RFC 6455 §7.4).
    static func maySend(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }

    /// A whole close frame.
    ///
    /// - Parameters:
    ///   - code: nil for a frame without a payload, which answers one without a code.
    ///   - reason: words for people; what does not fit into 123 bytes is left out.
    package static func encoded(_ code: UInt16?, reason: String = "") -> [UInt8] {
        guard let code else { return [0x88, 0] }
        var words: [UInt8] = []
        for character in reason {
            if words.count + character.utf8.count > 123 { break }
            words += character.utf8
        }
        return [0x88, UInt8(2 + words.count), UInt8(code >> 8), UInt8(truncatingIfNeeded: code)] + words
    }
}
