// Writes what the handshake answers (RFC 6455 §4.2.2, RFC 9110). Called by the listener once a connection.

extension Handshake.Outcome {
    /// The bytes to send; none while the request is incomplete.
    package func response() -> [UInt8] {
        switch self {
        case .incomplete: []
        case .upgrade(let upgrade): Array(upgrade.head.utf8)
        case .respond(let answer): Array(answer.message.utf8)
        }
    }
}

extension Handshake.Upgrade {
    fileprivate var head: String {
        let protocolLine = subprotocol.name.map { "Sec-WebSocket-Protocol: \($0)\r\n" } ?? ""
        return """
            HTTP/1.1 101 Switching Protocols\r
            Upgrade: websocket\r
            Connection: Upgrade\r
            Sec-WebSocket-Accept: \(accept)\r
            \(protocolLine)\r

            """
    }
}

extension HandshakeAnswer {
    fileprivate var message: String {
        let body = status == .ok ? StartPage.html : "\(text)\n"
        let type = status == .ok ? "text/html" : "text/plain"
        return """
            HTTP/1.1 \(status.rawValue) \(status.phrase)\r
            Content-Type: \(type); charset=utf-8\r
            Content-Length: \(body.utf8.count)\r
            \(ownFields)\r

            """ + body
    }

    /// The header lines that belong to the status.
    private var ownFields: String {
        switch status {
        // RFC 9110 §15.5.6: a 405 says what is allowed.
        case .methodNotAllowed: "Connection: close\r\nAllow: GET\r\n"
        // RFC 6455 §4.4: a 426 says which versions are spoken; RFC 9110 §15.5.22: and which protocol.
        case .upgradeRequired:
            "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        default: "Connection: close\r\n"
        }
    }
}
