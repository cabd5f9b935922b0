// Parses what a client of the JSON protocol sends: one object a text message. Called by the listener for each.
// Whether a topic is valid, and whether the client may, others decide. Nothing is fatal.

import CSimdJSON

/// A request. Strings are ranges of the scratch buffer that it was parsed into, and hold until its next use.
package struct JSONRequest: Equatable, Sendable {
    package enum Action: String, Sendable {
        case subscribe, unsubscribe, publish, ping, connect
    }

    package fileprivate(set) var action = Action.ping
    /// For subscribe, unsubscribe and publish; may be empty.
    package fileprivate(set) var topic = 0..<0
    /// For publish, decoded; may be empty.
    package fileprivate(set) var payload = 0..<0
    /// 0 to 2; 0 where nothing was said.
    package fileprivate(set) var qos: UInt8 = 0
    /// False where nothing was said.
    package fileprivate(set) var retain = false
    /// A number or a string as it was written, to be echoed so; at most `idLimit` bytes.
    package fileprivate(set) var id: Range<Int>?
    package fileprivate(set) var clientId: Range<Int>?
    package fileprivate(set) var username: Range<Int>?
    package fileprivate(set) var password: Range<Int>?
    package fileprivate(set) var token: Range<Int>?

    /// Bytes that an `Id` may have, quotes included.
    package static let idLimit = 64

    /// Parses a message.
    ///
    /// Keys match whatever their case; unknown ones are ignored; one that comes twice is refused, since two parsers
    /// could differ on which counts. Null is a wrong type, not an absent value.
    ///
    /// - Parameter scratch: is emptied and takes the strings.
    /// - Throws: an error that carries the `Id` where it could be read.
    package static func parse(
        _ text: RawSpan, with parser: inout JSONParser, into scratch: inout [UInt8]
    ) throws(JSONError) -> JSONRequest {
        scratch.removeAll(keepingCapacity: true)
        var reader = Reader()
        do {
            try parser.begin(text)
            while try parser.next() { reader.take(&parser, &scratch) }
            return try reader.finish(&scratch)
        } catch {
            throw JSONError(error.code, error.reason, id: reader.request.id)
        }
    }
}

extension JSONRequest {
    /// The keys that mean something.
    private enum Key: UInt16, CaseIterable {
        case action, topic, payload, qos, retain, encoding, id, clientId, username, password, token

        /// By what the parser gives for them.
        static let byShortKey = allCases.map { (short: JSONParser.short($0.name.utf8), key: $0) }

        init?(short: UInt64) {
            for known in Self.byShortKey where known.short == short {
                self = known.key
                return
            }
            return nil
        }

        /// As the documentation writes it.
        var name: String {
            switch self {
            case .action: "Action"
            case .topic: "Topic"
            case .payload: "Payload"
            case .qos: "QoS"
            case .retain: "Retain"
            case .encoding: "Encoding"
            case .id: "Id"
            case .clientId: "ClientId"
            case .username: "Username"
            case .password: "Password"
            case .token: "Token"
            }
        }
    }

    /// Gathers the members; the first fault is reported at the end, when the `Id` is known.
    private struct Reader {
        var request = JSONRequest()
        var action: Range<Int>?
        var encoding: Range<Int>?
        /// A bit for each key that has come.
        var seen: UInt16 = 0
        var fault: JSONError?

        func has(_ key: Key) -> Bool { seen & Self.bit(key) != 0 }

        static func bit(_ key: Key) -> UInt16 { 1 << key.rawValue }

        mutating func take(_ parser: inout JSONParser, _ scratch: inout [UInt8]) {
            guard let key = Key(short: parser.shortKey) else { return }
            do throws(JSONError) {
                if has(key) { throw JSONError(.invalid, "\(key.name) is there twice.") }
                seen |= Self.bit(key)
                try store(key, &parser, &scratch)
            } catch {
                fault = fault ?? error
            }
        }

        private mutating func store(
            _ key: Key, _ parser: inout JSONParser, _ scratch: inout [UInt8]
        ) throws(JSONError) {
            switch key {
            case .action: action = try string(key, parser, &scratch)
            case .topic: request.topic = try string(key, parser, &scratch)
            case .payload: request.payload = try string(key, parser, &scratch)
            case .encoding: encoding = try string(key, parser, &scratch)
            case .clientId: request.clientId = try string(key, parser, &scratch)
            case .username: request.username = try string(key, parser, &scratch)
            case .password: request.password = try string(key, parser, &scratch)
            case .token: request.token = try string(key, parser, &scratch)
            case .qos:
                guard parser.kind == .number, parser.writtenLength == 1 else {
                    throw JSONError(.invalid, "QoS must be 0, 1 or 2.")
                }
                let digit = scratch[parser.written(into: &scratch).lowerBound] &- UInt8(ascii: "0")
                guard digit <= 2 else { throw JSONError(.invalid, "QoS must be 0, 1 or 2.") }
                request.qos = digit
            case .retain:
                guard parser.kind == .true || parser.kind == .false else {
                    throw JSONError(.invalid, "Retain must be true or false.")
                }
                request.retain = parser.kind == .true
            case .id:
                guard parser.kind == .number || parser.kind == .string else {
                    throw JSONError(.invalid, "Id must be a number or a string.")
                }
                guard parser.writtenLength <= JSONRequest.idLimit else {
                    throw JSONError(.tooLarge, "Id may have \(JSONRequest.idLimit) bytes.")
                }
                request.id = parser.written(into: &scratch)
            }
        }

        private func string(
            _ key: Key, _ parser: borrowing JSONParser, _ scratch: inout [UInt8]
        ) throws(JSONError) -> Range<Int> {
            guard parser.kind == .string else { throw JSONError(.invalid, "\(key.name) must be a string.") }
            return parser.text(into: &scratch)
        }

        /// What is required of each action.
        mutating func finish(_ scratch: inout [UInt8]) throws(JSONError) -> JSONRequest {
            if let fault { throw fault }
            guard let action else { throw JSONError(.invalid, "Action is missing.") }
            guard let known = Action(rawValue: String(decoding: scratch[action], as: UTF8.self)) else {
                throw JSONError(
                    .unknownAction, "Action must be subscribe, unsubscribe, publish, ping or connect.")
            }
            request.action = known
            switch known {
            case .ping: break
            case .subscribe, .unsubscribe: try require(.topic, known)
            case .publish:
                try require(.topic, known)
                // An empty payload erases a retained message, which a misspelt key must not do.
                try require(.payload, known)
                if let encoding { try decode(encoding, &scratch) }
            case .connect:
                if request.password != nil, request.token != nil {
                    throw JSONError(.invalid, "connect takes Password or Token, not both.")
                }
            }
            return request
        }

        private func require(_ key: Key, _ action: Action) throws(JSONError) {
            if !has(key) { throw JSONError(.invalid, "\(action.rawValue) needs \(key.name).") }
        }

        private mutating func decode(_ encoding: Range<Int>, _ scratch: inout [UInt8]) throws(JSONError) {
            guard scratch[encoding].elementsEqual("base64".utf8) else {
                throw JSONError(.invalid, "Encoding must be base64, or be left out for text.")
            }
            guard let payload = Base64.decode(&scratch, request.payload) else {
                throw JSONError(.invalid, "Payload is not base64.")
            }
            request.payload = payload
        }
    }
}
