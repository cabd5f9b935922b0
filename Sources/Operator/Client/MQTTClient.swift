// A small blocking MQTT client, for `pub`, `sub` and the start of `bench`. One thing at a time: a publish returns when
// the broker has it, as its QoS promises. Nothing is kept for after a lost connection: the session is a clean one.

import Glibc
import MQTT

/// Which broker, and in which version of MQTT.
struct Broker {
    var host: String
    var port: UInt16
    var version: ProtocolVersion
    /// For how long the broker may stay silent when it owes an answer.
    var timeout: Duration
}

/// A connection to a broker.
final class MQTTClient {
    let socket: TCPSocket
    let version: ProtocolVersion
    var input = PacketBuffer()
    /// How many publishes at QoS 1 and 2 the broker takes at once.
    private(set) var receiveMaximum = 65_535

    private let timeout: Duration
    private let keepAlive: Duration?
    private var lastSent = ContinuousClock.now
    /// Since when the broker owes a PINGRESP.
    private var pingedAt: ContinuousClock.Instant?
    private var lastIdentifier: UInt16 = 0
    /// Messages that came while something else was waited for.
    private var messages: [Publish] = []
    /// QoS 2 messages that were received but not yet released.
    private var unreleased: Set<UInt16> = []

    /// Connects, with a clean session.
    ///
    /// - Parameters:
    ///   - identifier: the client id; nil makes one up.
    ///   - keepAlive: seconds, 0 for none.
    init(_ broker: Broker, identifier: String?, keepAlive: UInt16) throws(Failure) {
        version = broker.version
        timeout = broker.timeout
        self.keepAlive = keepAlive == 0 ? nil : .seconds(Int(keepAlive))
        socket = try TCPSocket(host: broker.host, port: broker.port, until: .now + broker.timeout)

        let identifier = identifier ?? "apusctl-" + String(UInt32.random(in: 0 ... .max), radix: 36)
        var output: [UInt8] = []
        Connect(version: version, clientIdentifier: identifier, keepAlive: keepAlive).encode(into: &output)
        try write(output)
        let connack: Connack = try answer(to: "CONNECT") { packet in
            if case .connack(let connack) = packet { connack } else { nil }
        }
        guard connack.reason == .success else {
            throw Self.refusal("the connection", connack.reason, connack.properties)
        }
        receiveMaximum = Int(connack.properties.receiveMaximum ?? 65_535)
    }

    /// Publishes, and returns when the broker has the message: at QoS 0 when it is on its way.
    func publish(_ topic: String, _ payload: [UInt8], qos: QoS, retain: Bool) throws(Failure) {
        let identifier = qos == .atMostOnce ? 0 : nextIdentifier()
        try send(
            .publish(Publish(topic: topic, payload: payload, qos: qos, retain: retain, packetIdentifier: identifier)))
        switch qos {
        case .atMostOnce: return
        case .atLeastOnce: try acknowledged(.puback, identifier, topic)
        case .exactlyOnce:
            try acknowledged(.pubrec, identifier, topic)
            try send(.acknowledgement(Acknowledgement(.pubrel, packetIdentifier: identifier)))
            try acknowledged(.pubcomp, identifier, topic)
        }
    }

    /// Subscribes to all of the filters.
    func subscribe(to filters: [String], qos: QoS) throws(Failure) {
        let identifier = nextIdentifier()
        let options = SubscriptionOptions(qos: qos, retainAsPublished: true)
        try send(
            .subscribe(
                Subscribe(
                    packetIdentifier: identifier,
                    filters: filters.map { Subscribe.Entry(filter: $0, options: options) })))
        let suback: Suback = try answer(to: "SUBSCRIBE") { packet in
            if case .suback(let suback) = packet, suback.packetIdentifier == identifier { suback } else { nil }
        }
        for (filter, reason) in zip(filters, suback.reasons) where reason.isFailure {
            throw Self.refusal("the subscription to \(escaped(filter))", reason, suback.properties)
        }
    }

    /// Waits for the next message and acknowledges it; nil at the deadline. Without one waits for ever.
    func nextMessage(until deadline: ContinuousClock.Instant?) throws(Failure) -> Publish? {
        while messages.isEmpty {
            guard let packet = try nextPacket(until: deadline) else { return nil }
            try handle(packet)
        }
        return messages.removeFirst()
    }

    /// Says good-bye, and waits a little for the broker to close: it has then read everything.
    func disconnect() throws(Failure) {
        try send(.disconnect(Disconnect()))
        socket.finishWriting()
        let deadline = ContinuousClock.now + min(timeout, .seconds(2))
        while true {
            while let packet = try bufferedPacket() {
                if case .disconnect(let disconnect) = packet { throw Self.farewell(disconnect) }
            }
            guard socket.wait(for: POLLIN, until: deadline) else { return }
            if case .closed = input.fill(from: socket) { return }
        }
    }

    // MARK: - What comes in

    private func handle(_ packet: Packet) throws(Failure) {
        switch packet {
        case .publish(let message): try take(message)
        case .acknowledgement(let acknowledgement) where acknowledgement.type == .pubrel:
            unreleased.remove(acknowledgement.packetIdentifier)
            try acknowledge(.pubcomp, acknowledgement.packetIdentifier)
        case .pingresp: pingedAt = nil
        case .disconnect(let disconnect): throw Self.farewell(disconnect)
        default: throw Failure(.failed, "the broker sent a packet that nobody asked for")
        }
    }

    private func take(_ message: Publish) throws(Failure) {
        switch message.qos {
        case .atMostOnce: messages.append(message)
        case .atLeastOnce:
            messages.append(message)
            try acknowledge(.puback, message.packetIdentifier)
        case .exactlyOnce:
            // [MQTT-4.3.3-10]: until it is released, the same identifier is the same message.
            if unreleased.insert(message.packetIdentifier).inserted { messages.append(message) }
            try acknowledge(.pubrec, message.packetIdentifier)
        }
    }

    private func acknowledge(_ type: PacketType, _ identifier: UInt16) throws(Failure) {
        try send(.acknowledgement(Acknowledgement(type, packetIdentifier: identifier)))
    }

    /// Waits for this step of a publish.
    private func acknowledged(_ type: PacketType, _ identifier: UInt16, _ topic: String) throws(Failure) {
        let acknowledgement: Acknowledgement = try answer(to: "PUBLISH") { packet in
            if case .acknowledgement(let acknowledgement) = packet, acknowledgement.type == type,
                acknowledgement.packetIdentifier == identifier
            {
                acknowledgement
            } else {
                nil
            }
        }
        guard !acknowledgement.reason.isFailure else {
            throw Self.refusal("the message to \(escaped(topic))", acknowledgement.reason, acknowledgement.properties)
        }
    }

    /// Waits for the packet that `match` takes, while handling all others.
    private func answer<Answer>(to packet: String, _ match: (Packet) -> Answer?) throws(Failure) -> Answer {
        let deadline = ContinuousClock.now + timeout
        while let packet = try nextPacket(until: deadline) {
            if let answer = match(packet) { return answer }
            try handle(packet)
        }
        throw Failure(.unreachable, "the broker did not answer to \(packet) within \(number(seconds(timeout))) s")
    }

    /// Waits for a packet, nil at the deadline; keeps the connection alive meanwhile.
    private func nextPacket(until deadline: ContinuousClock.Instant?) throws(Failure) -> Packet? {
        while true {
            if let packet = try bufferedPacket() { return packet }
            let now = ContinuousClock.now
            if let deadline, now >= deadline { return nil }
            var wake = deadline
            if let pingedAt {
                guard now < pingedAt + timeout else {
                    throw Failure(.unreachable, "the broker is silent: no answer to PINGREQ")
                }
                wake = min(wake ?? pingedAt + timeout, pingedAt + timeout)
            } else if let keepAlive {
                // Before three quarters of the keep-alive have passed in silence.
                if now >= lastSent + keepAlive * 3 / 4 {
                    try send(.pingreq)
                    pingedAt = now
                    continue
                }
                wake = min(wake ?? lastSent + keepAlive * 3 / 4, lastSent + keepAlive * 3 / 4)
            }
            guard socket.wait(for: POLLIN, until: wake) else { continue }
            if case .closed(let reason) = input.fill(from: socket) { throw Self.lost(reason) }
        }
    }

    private func bufferedPacket() throws(Failure) -> Packet? {
        try keepingToProtocol { () throws(ProtocolError) in try input.nextPacket(version) }
    }

    // MARK: - What goes out

    private func nextIdentifier() -> UInt16 {
        // [MQTT-2.2.1-3]: never zero.
        lastIdentifier = lastIdentifier == .max ? 1 : lastIdentifier + 1
        return lastIdentifier
    }

    private func send(_ packet: Packet) throws(Failure) {
        var output: [UInt8] = []
        packet.encode(into: &output, version: version)
        try write(output)
    }

    private func write(_ bytes: [UInt8]) throws(Failure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            switch socket.write(rest) {
            case .done(let count): rest = rest.dropFirst(count)
            case .wouldBlock:
                guard socket.wait(for: POLLOUT, until: .now + timeout) else {
                    throw Failure(.unreachable, "the broker has read nothing for \(number(seconds(timeout))) s")
                }
            case .closed(let reason): throw parting(reason)
            }
        }
        lastSent = .now
    }

    /// Why the broker closed, when a write tells: it may have said so first.
    private func parting(_ reason: String) -> Failure {
        while case .done = input.fill(from: socket) {}
        while let packet = try? input.nextPacket(version) {
            if case .disconnect(let disconnect) = packet { return Self.farewell(disconnect) }
        }
        return Self.lost(reason)
    }

    // MARK: - Failures in words

    private static func refusal(_ what: String, _ reason: ReasonCode, _ properties: Properties) -> Failure {
        Failure(.failed, "the broker refused \(what): \(words(reason, properties))")
    }

    static func farewell(_ disconnect: Disconnect) -> Failure {
        Failure(.failed, "the broker ended the connection: \(words(disconnect.reason, disconnect.properties))")
    }

    static func lost(_ reason: String) -> Failure {
        Failure(.unreachable, "the broker closed the connection (\(reason)): its log says why")
    }

    private static func words(_ reason: ReasonCode, _ properties: Properties) -> String {
        "\(reason)" + (properties.reasonString.map { ", \(escaped($0))" } ?? "")
    }
}

/// What `body` returns; a broker that breaks the protocol is a failure.
func keepingToProtocol<Result>(_ body: () throws(ProtocolError) -> Result) throws(Failure) -> Result {
    do {
        return try body()
    } catch {
        throw Failure(.failed, "the broker does not keep to the protocol: \(error)")
    }
}

func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
}
