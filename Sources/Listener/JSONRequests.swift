// The JSON protocol, from the client: each text message is one request, handed to the router like a packet. What can
// not be done is answered with an error, and the connection stays open.

import Arena
import CArena
import Connection
import Journal
import MQTT
import Messages
import WebSocket

extension Listener {
    /// Handles one message. There is credit, and room for the request.
    mutating func handleJSON(_ slot: Int, _ text: RawSpan) {
        count(.packetsReceived)
        do throws(JSONError) {
            let request = try JSONRequest.parse(text, with: &json.parser, into: &json.scratch)
            try handle(slot, request)
        } catch {
            count(.protocolErrors)
            appendMessage(
                slot, .text,
                JSONReply.error(error.code, reason: error.reason, id: json.scratch[error.id ?? 0..<0].span))
        }
    }

    private mutating func handle(_ slot: Int, _ request: JSONRequest) throws(JSONError) {
        if request.action == .connect { return try connectJSON(slot, request) }
        if state(slot) == .awaitingConnect {
            // Where anonymous clients are allowed, `connect` is needless.
            guard mayConnect(slot) else {
                throw JSONError(
                    .notAuthorized, "Send connect first: anonymous clients are not allowed.", id: request.id)
            }
            openJSON(slot, clientIdentifier: [], userName: [])
        }
        switch request.action {
        case .ping:
            if let id = request.id { answerAtOnce(slot, id) }
        case .subscribe:
            try checkJSONFilter(request)
            let options = request.qos
            tellRouter(
                SubscribeFrame(
                    slot: UInt32(slot), generation: arena[slot].generation,
                    packetIdentifier: expectAnswer(slot, request), identifier: 0,
                    items: [SubscribeFrame.Item(filter: Array(json.scratch[request.topic]), options: options)]))
        case .unsubscribe:
            try checkJSONFilter(request, hasLimits: false)
            tellRouter(
                UnsubscribeFrame(
                    slot: UInt32(slot), generation: arena[slot].generation,
                    packetIdentifier: expectAnswer(slot, request), filters: [Array(json.scratch[request.topic])]))
        case .publish:
            try publish(slot, request)
        case .connect:
            break
        }
    }

    // MARK: connecting

    private mutating func connectJSON(_ slot: Int, _ request: JSONRequest) throws(JSONError) {
        guard state(slot) == .awaitingConnect else {
            throw JSONError(.conflict, "This client is connected already.", id: request.id)
        }
        let identifier = request.clientId.map { Array(json.scratch[$0]) } ?? []
        guard identifier.count <= Int(settings.clientIdentifierLength), !identifier.contains(0) else {
            if identifier.count > Int(settings.clientIdentifierLength) { count(.clientIdentifiersTooLong) }
            throw JSONError(
                .invalid, "ClientId is longer than limits.client_id_length, or holds U+0000.", id: request.id)
        }
        let user = request.username.map { Array(json.scratch[$0]) } ?? []
        let isChecked = settings.authenticates && request.username != nil
        guard isChecked || mayConnect(slot) else {
            count(.connectionsRefused)
            logRefused(
                slot, .notAuthorized, "anonymous clients are allowed only as auth.anonymous says",
                identifier: identifier.isEmpty ? "-" : text(identifier), user: text(user))
            throw JSONError(.notAuthorized, "This client is not allowed to connect.", id: request.id)
        }
        guard !isChecked || mayAsk else {
            count(.authenticationsHeldBack)
            throw JSONError(.unavailable, "Too many clients connect at this moment, try again.", id: request.id)
        }
        if expectAnswer(slot, request) != 0 {
            arena.touchRecord(slot)
            arena[record: slot].flags |= RecordFlags.askedToConnect
        }
        guard state(slot).isOpen else { return }
        guard isChecked else { return openJSON(slot, clientIdentifier: identifier, userName: user) }
        arena.setClientIdentifier(identifier, slot: slot)
        authenticate(
            AuthRequest(
                slot: UInt32(slot), generation: arena[slot].generation, kind: .password, peer: peer(slot), version: 0,
                clientIdentifier: identifier, userName: user,
                password: request.password.map { Array(json.scratch[$0]) } ?? [], method: [], data: []),
            jsonConnect(slot, clientIdentifier: identifier, userName: user))
    }

    /// Asks the router for the client's session. What the client sends next may follow at once: the router answers in
    /// order, and the JSON protocol has no CONNACK that must come first.
    private mutating func openJSON(_ slot: Int, clientIdentifier: [UInt8], userName: [UInt8]) {
        arena[slot].state = ConnectionState.connecting.rawValue
        arena.setClientIdentifier(clientIdentifier, slot: slot)
        put(jsonConnect(slot, clientIdentifier: clientIdentifier, userName: userName))
    }

    private func jsonConnect(_ slot: Int, clientIdentifier: [UInt8], userName: [UInt8]) -> ConnectFrame {
        ConnectFrame(
            slot: UInt32(slot), generation: arena[slot].generation,
            acceptNumber: arena[cold: slot].accept_number, peer: peer(slot), version: 0, cleanStart: true,
            keepAlive: 0, sessionExpiry: 0, receiveMaximum: settings.inFlight, maximumPacketSize: 0,
            clientIdentifier: clientIdentifier, userName: userName, will: nil)
    }

    // MARK: publishing

    private mutating func publish(_ slot: Int, _ request: JSONRequest) throws(JSONError) {
        let topic = json.scratch[request.topic]
        do throws(ProtocolError) {
            try TopicName.check(topic.span)
            try checkLongTopic(topic.span)
        } catch {
            throw JSONError(.invalid, "Topic: \(error.what).", id: request.id)
        }
        let length = PublishFrame.headByteCount + request.topic.count + request.payload.count
        guard request.topic.count + request.payload.count <= Int(settings.packetSize) else {
            count(.packetsTooLarge)
            throw JSONError(.tooLarge, "The message is larger than limits.packet_size.", id: request.id)
        }
        let identifier = expectAnswer(slot, request)
        guard var frame = arena.appendFrame(length) else {
            end("the queue to the router is full beyond every limit", status: 1)
        }
        PublishFrame.writeHead(
            to: &frame, slot: UInt32(slot), generation: arena[slot].generation, packetIdentifier: identifier,
            flags: request.qos << 1 | (request.retain ? 1 : 0), topicLength: request.topic.count,
            payloadLength: request.payload.count, propertiesLength: 0)
        frame.copy(json.scratch[request.topic].span.raw, at: PublishFrame.headByteCount)
        frame.copy(json.scratch[request.payload].span.raw, at: PublishFrame.headByteCount + request.topic.count)
        count(.messagesReceived)
        count(.payloadBytesReceived, by: request.payload.count)
    }

    private mutating func checkJSONFilter(_ request: JSONRequest, hasLimits: Bool = true) throws(JSONError) {
        let filter = json.scratch[request.topic]
        do throws(ProtocolError) {
            try TopicFilter.check(filter.span)
            if hasLimits { try checkLongTopic(filter.span) }
        } catch {
            throw JSONError(.invalid, "Topic: \(error.what).", id: request.id)
        }
    }

    // MARK: answers

    /// Remembers the request's `Id` for the router's answer.
    /// - Returns: the packet identifier to ask the router with: 0 asks for no answer.
    private mutating func expectAnswer(_ slot: Int, _ request: JSONRequest) -> UInt16 {
        guard let id = request.id else { return 0 }
        arena.touchRecord(slot)
        guard var entry = arena.append(4 + id.count, to: .requests, slot: slot) else {
            exhausted(slot)
            return 0
        }
        entry.store(UInt32(id.count), at: 0)
        entry.copy(json.scratch[id].span.raw, at: 4)
        return 1
    }

    /// Answers a request that the router has no part in; it may overtake the answers of earlier ones.
    private mutating func answerAtOnce(_ slot: Int, _ id: Range<Int>) {
        appendMessage(slot, .text, JSONReply.ack(id: json.scratch[id].span))
    }
}
