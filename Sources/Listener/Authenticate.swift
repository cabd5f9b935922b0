// Who a client is: asked of auth before its CONNECT goes to the router, and again when it authenticates anew (MQTT 5 §4.12). What
// was asked is kept in the connection's record, so that another process of this place, or another one of auth, can be told.

import Arena
import CArena
import Connection
import MQTT
import Messages

extension Listener {
    /// What is to be asked about a client that connects; nil: nothing, it is anonymous.
    func authRequest(_ slot: Int, _ connect: Connect) -> AuthRequest? {
        let method = connect.properties.authenticationMethod
        guard settings.authenticates, method != nil || connect.username != nil else { return nil }
        return AuthRequest(
            slot: UInt32(slot), generation: arena[slot].generation, kind: method == nil ? .password : .begin,
            peer: peer(slot), version: connect.version.rawValue,
            clientIdentifier: Array(connect.clientIdentifier.utf8), userName: Array((connect.username ?? "").utf8),
            password: method == nil ? connect.password ?? [] : [], method: Array((method ?? "").utf8),
            data: connect.properties.authenticationData ?? [])
    }

    /// Asks about a client, and keeps its CONNECT until it is answered. Within a step.
    mutating func authenticate(_ request: AuthRequest, _ connect: ConnectFrame) {
        let slot = Int(request.slot)
        guard keep(connect), keep(request) else { return exhausted(slot) }
        arena[slot].state = ConnectionState.authenticating.rawValue
        ask(slot, request)
    }

    /// Auth's answer. One to a connection that has gone, or to what was asked before, is dropped.
    mutating func authAnswered(_ answer: AuthAnswer) {
        let slot = Int(answer.slot)
        guard let exchange = auth.open[slot], exchange.isAsked, exchange.serial == answer.serial,
            arena[slot].generation == answer.generation, let kept = keptRequest(slot)
        else { return }
        arena.beginStep(slot)
        defer { arena.endStep() }
        switch ReasonCode(rawValue: answer.reasonCode) {
        case .success: accept(slot, kept, answer)
        case .continueAuthentication where !kept.method.isEmpty: challenge(slot, kept, answer)
        case let reason:
            refuse(slot, reason.isFailure ? reason : .notAuthorized, answer.reason, user: answer.userName)
        }
    }

    /// The client is to say more.
    private mutating func challenge(_ slot: Int, _ kept: AuthRequest, _ answer: AuthAnswer) {
        var next = kept
        next.kind = .proceed
        next.data = []
        guard keep(next), var exchange = auth.open[slot] else { return exhausted(slot) }
        exchange.isAsked = false
        auth.note(slot, exchange)
        if state(slot) == .authenticating { arena[slot].state = ConnectionState.challenged.rawValue }
        // [MQTT-4.12.0-2]
        appendAuth(slot, .continueAuthentication, kept.method, answer.data)
    }

    /// The client is who it says.
    private mutating func accept(_ slot: Int, _ kept: AuthRequest, _ answer: AuthAnswer) {
        guard state(slot) == .authenticating else { return acceptAnew(slot, kept, answer) }
        guard settle(slot, kept, data: answer.data), var connect = keptConnect(slot) else { return exhausted(slot) }
        connect.clientIdentifier = arena.clientIdentifier(slot)
        connect.userName = answer.userName
        arena[slot].state = ConnectionState.connecting.rawValue
        put(connect)
    }

    /// A connected client has authenticated anew (MQTT 5 §4.12.1). It stays who it is.
    private mutating func acceptAnew(_ slot: Int, _ kept: AuthRequest, _ answer: AuthAnswer) {
        guard answer.userName == keptConnect(slot)?.userName ?? [] else {
            return refuse(slot, .notAuthorized, "authenticated anew as another user", user: answer.userName)
        }
        guard settle(slot, kept, data: []) else { return exhausted(slot) }
        appendAuth(slot, .success, kept.method, answer.data)
    }

    /// Ends what can not go on: with CONNACK [MQTT-4.12.0-4], or with DISCONNECT [MQTT-4.12.1-2].
    mutating func refuse(_ slot: Int, _ reason: ReasonCode, _ words: String, user: [UInt8]) {
        let state = state(slot)
        let isOwnStep = arena.isQuiet
        if isOwnStep { arena.beginStep(slot) }
        defer { if isOwnStep { arena.endStep() } }
        count(.authenticationsRefused)
        if state != .connected { count(.connectionsRefused) }
        logRefused(slot, reason, words, user: text(user))
        if transport(slot) == .webSocketJSON { refuseJSONConnect(slot, reason) }
        close(slot, reason, tellClient: true, detail: "not authenticated", isLogged: state != .connected)
    }

    /// Appends an AUTH [MQTT-4.12.0-5]. It has no reason string and no user properties, which might not fit [MQTT-3.15.2-2],
    /// [MQTT-3.15.2-3]; where the rest does not, the connection ends.
    private mutating func appendAuth(_ slot: Int, _ reason: ReasonCode, _ method: [UInt8], _ data: [UInt8]) {
        var properties = Properties()
        properties.authenticationMethod = text(method)
        if !data.isEmpty { properties.authenticationData = data }
        var packet: [UInt8] = []
        Auth(reason: reason, properties: properties).encode(into: &packet, version: .v5)
        appendAnswer(slot, packet)
    }

    // MARK: CONNACK

    /// What CONNACK says of how the client has authenticated [MQTT-4.12.0-5], [MQTT-4.12.0-6].
    func noteAuthentication(_ slot: Int, in properties: inout Properties) {
        guard let kept = keptRequest(slot), !kept.method.isEmpty else { return }
        properties.authenticationMethod = text(kept.method)
        if !kept.data.isEmpty { properties.authenticationData = kept.data }
    }

    /// CONNACK has said it. Within a batch that has touched the slot.
    mutating func authenticationIsTold(_ slot: Int) {
        guard let kept = keptRequest(slot), !kept.data.isEmpty else { return }
        if !settle(slot, kept, data: []) { exhausted(slot) }
    }

    // MARK: what is kept

    /// What was asked last about a client, or is known of how it has authenticated.
    func keptRequest(_ slot: Int) -> AuthRequest? {
        guard arena.hasRecord(slot) else { return nil }
        let bytes = arena.bytes(of: .authentication, slot: slot)
        return bytes.byteCount == 0 ? nil : try? AuthRequest(decoding: bytes)
    }

    /// - Returns: false when the arena is exhausted.
    mutating func keep(_ request: AuthRequest) -> Bool {
        let slot = Int(request.slot)
        guard arena.hasRecord(slot) || arena.makeRecord(slot) else { return false }
        arena.touchRecord(slot)
        return arena.replace(.authentication, with: request.encoded(), slot: slot)
    }

    /// The exchange is over. Of one by a method it is kept by which, and what CONNACK is still to say.
    /// - Returns: false when the arena is exhausted.
    private mutating func settle(_ slot: Int, _ kept: AuthRequest, data: [UInt8]) -> Bool {
        auth.end(slot)
        guard !kept.method.isEmpty else {
            arena.touchRecord(slot)
            return arena.replace(.authentication, with: [], slot: slot)
        }
        var rest = kept
        rest.kind = .settled
        rest.data = data
        return keep(rest)
    }
}
