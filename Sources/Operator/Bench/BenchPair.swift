// One publisher and one subscriber of a bench, and the packets that they exchange with the broker. The loop calls
// `feed`, `receive` and `flush`; nothing in here waits.

import Glibc
import MQTT

/// A publisher and its subscriber.
final class BenchPair {
    let publisher: BenchPeer
    let subscriber: BenchPeer
    private(set) var sent = 0
    private(set) var received = 0
    private var acknowledged = 0

    private let plan: BenchPlan
    private let window: Int
    /// A PUBLISH, in which the identifier and the time are replaced for each message.
    private var packet: [UInt8] = []
    private let payloadStart: Int
    private let identifierStart: Int
    private var lastIdentifier: UInt16 = 0

    /// Connects and subscribes.
    init(_ plan: BenchPlan, _ broker: Broker, topic: String) throws(Failure) {
        self.plan = plan
        let subscriber = try MQTTClient(broker, identifier: nil, keepAlive: 0)
        try subscriber.subscribe(to: [topic], qos: plan.qos)
        let publisher = try MQTTClient(broker, identifier: nil, keepAlive: 0)
        self.subscriber = BenchPeer(subscriber)
        self.publisher = BenchPeer(publisher)
        window = min(plan.window, publisher.receiveMaximum)

        let payload = [UInt8](repeating: UInt8(ascii: "."), count: plan.size)
        Publish(topic: topic, payload: payload, qos: plan.qos, packetIdentifier: plan.qos == .atMostOnce ? 0 : 1)
            .encode(into: &packet, version: broker.version)
        payloadStart = packet.count - plan.size
        let properties = broker.version == .v5 ? 1 : 0
        identifierStart = payloadStart - properties - 2
    }

    /// Whether another message may be sent now.
    var hasRoom: Bool {
        sent - received < window && (plan.qos == .atMostOnce || sent - acknowledged < window)
    }

    /// Sends a message, into the publisher's output.
    func feed(_ now: UInt64) {
        for byte in 0..<8 { packet[payloadStart + byte] = UInt8(truncatingIfNeeded: now >> (8 * UInt64(byte))) }
        if plan.qos != .atMostOnce {
            lastIdentifier = lastIdentifier == .max ? 1 : lastIdentifier + 1
            packet[identifierStart] = UInt8(lastIdentifier >> 8)
            packet[identifierStart + 1] = UInt8(truncatingIfNeeded: lastIdentifier)
        }
        publisher.output += packet
        sent += 1
    }

    /// Takes what the broker sent to the publisher: acknowledgements.
    func receiveAcknowledgements() throws(Failure) {
        let peer = publisher
        try peer.fill { header, offset throws(ProtocolError) in
            switch header.type {
            case .puback, .pubcomp: acknowledged += 1
            case .pubrec: try peer.acknowledge(.pubrel, offset, header)
            default: return false
            }
            return true
        }
    }

    /// Takes what the broker sent to the subscriber: messages. Adds how long they were on their way.
    func receiveMessages(_ latencies: inout Histogram, _ now: () -> UInt64) throws(Failure) {
        let peer = subscriber
        var arrival: UInt64?
        try peer.fill { header, offset throws(ProtocolError) in
            switch header.type {
            case .publish:
                let input = peer.client.input
                let message = try input.message(at: offset, header, peer.client.version)
                if message.payload.count == plan.size {
                    var time: UInt64 = 0
                    for byte in 0..<8 {
                        time |= UInt64(input.bytes[message.payload.lowerBound + byte]) << (8 * UInt64(byte))
                    }
                    let read = arrival ?? now()
                    arrival = read
                    latencies.add(read - min(read, time))
                    received += 1
                }
                switch message.qos {
                case .atMostOnce: break
                case .atLeastOnce: peer.acknowledge(.puback, message.packetIdentifier)
                case .exactlyOnce: peer.acknowledge(.pubrec, message.packetIdentifier)
                }
            case .pubrel: try peer.acknowledge(.pubcomp, offset, header)
            default: return false
            }
            return true
        }
    }
}

/// One connection of a bench.
final class BenchPeer {
    let client: MQTTClient
    /// What waits to be written.
    var output: [UInt8] = []

    init(_ client: MQTTClient) {
        self.client = client
    }

    /// Reads once and hands each whole packet to `take`, which says whether it was one to expect.
    func fill(_ take: (FixedHeader, Int) throws(ProtocolError) -> Bool) throws(Failure) {
        let outcome = client.input.fill(from: client.socket)
        while let (offset, header) = try keepingToProtocol({ () throws(ProtocolError) in
            try client.input.next(client.version)
        }) {
            let isExpected = try keepingToProtocol { () throws(ProtocolError) in try take(header, offset) }
            if isExpected { continue }
            let packet = try keepingToProtocol { () throws(ProtocolError) in
                try client.input.packet(at: offset, header, client.version)
            }
            guard case .disconnect(let disconnect) = packet else {
                throw Failure(.failed, "the broker sent a \(header.type) that nobody asked for")
            }
            throw MQTTClient.farewell(disconnect)
        }
        if case .closed(let reason) = outcome { throw MQTTClient.lost(reason) }
    }

    /// Answers the acknowledgement at `offset` by the next one.
    func acknowledge(_ type: PacketType, _ offset: Int, _ header: FixedHeader) throws(ProtocolError) {
        let step = try client.input.step(at: offset, header, client.version)
        acknowledge(type, step.packetIdentifier)
    }

    func acknowledge(_ type: PacketType, _ identifier: UInt16) {
        output += [type.firstByte, 2, UInt8(identifier >> 8), UInt8(truncatingIfNeeded: identifier)]
    }

    /// Writes what the socket takes.
    func flush() throws(Failure) {
        guard !output.isEmpty else { return }
        switch client.socket.write(output[...]) {
        case .done(let count): output.removeFirst(count)
        case .wouldBlock: break
        case .closed(let reason): throw MQTTClient.lost(reason)
        }
    }
}
