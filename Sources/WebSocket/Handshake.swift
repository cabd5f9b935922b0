// The server's side of the opening handshake (RFC 6455 §4.2): a request's head becomes an upgrade or an answer.
// Called by the listener with what has arrived, from the start each time, until it is complete. Nothing is fatal.

/// What is spoken on the connection after the handshake.
package enum Subprotocol: UInt8, Sendable {
    /// One JSON object a text frame; no subprotocol was asked for.
    case json = 0
    /// MQTT 3.1.1 or 5.0 in binary frames ([MQTT-6.0.0-3]).
    case mqtt = 1
    /// MQTT 3.1 in binary frames.
    case mqtt31 = 2

    /// As in `Sec-WebSocket-Protocol`; nil for JSON, which has no name.
    package var name: String? {
        switch self {
        case .json: nil
        case .mqtt: "mqtt"
        case .mqtt31: "mqttv3.1"
        }
    }
}

package enum Handshake {
    /// A request that becomes a WebSocket.
    package struct Upgrade: Equatable, Sendable {
        package let subprotocol: Subprotocol
        /// Whether a proxy has passed the request on, so that the peer's address is not the client's.
        package let isForwarded: Bool
        /// Bytes of the request; the first frame may follow at once.
        package let consumed: Int
        /// The value of `Sec-WebSocket-Accept`.
        let accept: String
    }

    package enum Outcome: Equatable, Sendable {
        /// More bytes are needed.
        case incomplete
        /// Send `response()`; frames follow.
        case upgrade(Upgrade)
        /// Send `response()` and close, whatever else has arrived.
        case respond(HandshakeAnswer)
    }

    /// Reads a request.
    ///
    /// - Parameters:
    ///   - bytes: all that the client has sent so far.
    ///   - limit: bytes that a head may have.
    ///   - fieldLimit: header lines that it may have.
    package static func read(
        _ bytes: RawSpan, policy: borrowing HandshakePolicy, limit: Int = 8192, fieldLimit: Int = 64
    ) -> Outcome {
        let bytes = Span<UInt8>(_bytes: bytes)
        do throws(HandshakeAnswer) {
            guard case .complete(let end) = try HTTPHead.extent(bytes, limit: limit) else { return .incomplete }
            let head = try HTTPHead(bytes, end: end, fieldLimit: fieldLimit)
            return .upgrade(try judge(head, consumed: end, policy: policy))
        } catch {
            return .respond(error)
        }
    }

    /// The rules of RFC 6455 §4.2.1 and §4.2.2, in the order in which their answers help most.
    private static func judge(
        _ head: HTTPHead, consumed: Int, policy: borrowing HandshakePolicy
    ) throws(HandshakeAnswer) -> Upgrade {
        guard head.method == "GET" else { throw HandshakeAnswer(.methodNotAllowed, "This port answers GET only.") }
        guard head.isWebSocket, head.isUpgrade else {
            if head.isWebSocket || head.key != nil {
                throw HandshakeAnswer(
                    .badRequest,
                    """
                    This looks like a WebSocket, but the headers Upgrade: websocket and Connection: Upgrade are not \
                    both there. A proxy before the broker must pass them on.
                    """)
            }
            if head.target == "/" { throw HandshakeAnswer(.ok, "The start page was asked for.") }
            throw HandshakeAnswer(.notFound, "There is nothing here but a WebSocket.")
        }
        guard head.version == "13" else {
            throw HandshakeAnswer(.upgradeRequired, "Sec-WebSocket-Version must be 13.")
        }
        guard let key = head.key, isKey(key) else {
            throw HandshakeAnswer(.badRequest, "Sec-WebSocket-Key must be 16 bytes in base64.")
        }
        if let origin = head.origin, let host = head.host, !policy.allows(origin: origin, host: host) {
            throw HandshakeAnswer(
                .forbidden,
                """
                Pages of this origin may not connect. The operator can allow it with the keys origins and hosts of \
                the listener.
                """)
        }
        return Upgrade(
            subprotocol: try subprotocol(head.subprotocols), isForwarded: head.isForwarded, consumed: consumed,
            accept: accept(key))
    }

    /// The first of the client's list that is known; JSON where it has none.
    private static func subprotocol(_ offered: [String]) throws(HandshakeAnswer) -> Subprotocol {
        if offered.isEmpty { return .json }
        for name in offered {
            if name == "mqtt" { return .mqtt }
            if name == "mqttv3.1" { return .mqtt31 }
        }
        throw HandshakeAnswer(
            .badRequest,
            "No known subprotocol is offered: mqtt and mqttv3.1 are MQTT, none at all is JSON.")
    }

    /// Whether this is base64 of 16 bytes. Bits beyond the last byte are let pass: clients choose characters at
    /// random, and the key is never decoded (RFC 6455 §4.2.2).
    private static func isKey(_ key: String) -> Bool {
        key.utf8.count == 24 && key.hasSuffix("==") && key.utf8.dropLast(2).allSatisfy { Base64.digit($0) != nil }
    }

    /// `Sec-WebSocket-Accept` (RFC 6455 §4.2.2, number 5.4).
    static func accept(_ key: String) -> String {
        let digest = SHA1.digest(Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))
        return String(decoding: Base64.encoded(digest.span), as: UTF8.self)
    }
}
