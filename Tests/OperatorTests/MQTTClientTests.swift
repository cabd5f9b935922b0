// The blocking client against a broker that is a script: what it answers to each packet, over a real socket.

import Foundation
import Glibc
import MQTT
import Testing

@testable import Operator

@Suite struct MQTTClientTests {
    private static let welcome = Packet.connack(Connack())

    private func connect(_ broker: ScriptedBroker, keepAlive: UInt16 = 0) throws(Failure) -> MQTTClient {
        try MQTTClient(broker.address(.v5), identifier: "me", keepAlive: keepAlive)
    }

    /// What `body` failed with.
    private func failure(_ body: () throws(Failure) -> Void) -> Failure? {
        do {
            try body()
            return nil
        } catch {
            return error
        }
    }

    @Test func refusedConnection() throws {
        var properties = Properties()
        properties.reasonString = "go \u{1b}away"
        let refusal = Connack(reason: .notAuthorized, properties: properties)
        let broker = try ScriptedBroker { _ in [.connack(refusal)] }
        let found = failure { () throws(Failure) in _ = try connect(broker) }
        #expect(
            found == Failure(.failed, "the broker refused the connection: not authorized, go \\u{1b}away"))
    }

    @Test func publishingAtEachQoS() throws {
        let broker = try ScriptedBroker { packet in
            switch packet {
            case .connect: [Self.welcome]
            case .publish(let message) where message.qos == .atLeastOnce:
                // One for another packet is not an answer.
                [
                    .acknowledgement(Acknowledgement(.puback, packetIdentifier: message.packetIdentifier &+ 1)),
                    .acknowledgement(Acknowledgement(.puback, packetIdentifier: message.packetIdentifier)),
                ]
            case .publish(let message) where message.qos == .exactlyOnce:
                [.acknowledgement(Acknowledgement(.pubrec, packetIdentifier: message.packetIdentifier))]
            case .acknowledgement(let step) where step.type == .pubrel:
                [.acknowledgement(Acknowledgement(.pubcomp, packetIdentifier: step.packetIdentifier))]
            case .disconnect: nil
            default: []
            }
        }
        let client = try connect(broker)
        try client.publish("a", [1], qos: .atMostOnce, retain: false)
        try client.publish("b", [], qos: .exactlyOnce, retain: true)
        let wrong = failure { () throws(Failure) in try client.publish("c", [], qos: .atLeastOnce, retain: false) }
        #expect(wrong == Failure(.failed, "the broker sent a packet that nobody asked for"))
        try client.disconnect()
        #expect(
            broker.received().dropFirst() == [
                .publish(Publish(topic: "a", payload: [1])),
                .publish(Publish(topic: "b", payload: [], qos: .exactlyOnce, retain: true, packetIdentifier: 1)),
                .acknowledgement(Acknowledgement(.pubrel, packetIdentifier: 1)),
                .publish(Publish(topic: "c", payload: [], qos: .atLeastOnce, packetIdentifier: 2)),
                .disconnect(Disconnect()),
            ])
    }

    @Test func refusedMessage() throws {
        let broker = try ScriptedBroker { packet in
            switch packet {
            case .connect: [Self.welcome]
            case .publish: [.acknowledgement(Acknowledgement(.puback, packetIdentifier: 1, reason: .notAuthorized))]
            default: []
            }
        }
        let client = try connect(broker)
        let found = failure { () throws(Failure) in try client.publish("a\n", [], qos: .atLeastOnce, retain: false) }
        #expect(found == Failure(.failed, "the broker refused the message to a\\n: not authorized"))
    }

    @Test func refusedSubscription() throws {
        let broker = try ScriptedBroker { packet in
            switch packet {
            case .connect: [Self.welcome]
            case .subscribe(let subscribe):
                [
                    .suback(
                        Suback(
                            packetIdentifier: subscribe.packetIdentifier,
                            reasons: [.grantedQoS1, .topicFilterInvalid]))
                ]
            default: []
            }
        }
        let client = try connect(broker)
        let found = failure { () throws(Failure) in try client.subscribe(to: ["a", "b"], qos: .exactlyOnce) }
        #expect(found?.text == "the broker refused the subscription to b: topic filter invalid")
    }

    @Test func messagesOfEachQoSComeOnce() throws {
        let twice = Publish(topic: "2", payload: [2], qos: .exactlyOnce, packetIdentifier: 7)
        var again = twice
        again.duplicate = true
        let deliveries: [Packet] = [
            .publish(Publish(topic: "0", payload: [0])),
            .publish(Publish(topic: "1", payload: [1], qos: .atLeastOnce, packetIdentifier: 9)),
            .publish(twice), .publish(again), .acknowledgement(Acknowledgement(.pubrel, packetIdentifier: 7)),
            .publish(twice),
        ]
        let broker = try ScriptedBroker { packet in
            switch packet {
            case .connect: [Self.welcome]
            // Some before the answer, as retained messages may come.
            case .subscribe(let subscribe):
                deliveries.prefix(2)
                    + [.suback(Suback(packetIdentifier: subscribe.packetIdentifier, reasons: [.grantedQoS2]))]
                    + deliveries.dropFirst(2)
            case .disconnect: nil
            default: []
            }
        }
        let client = try connect(broker)
        try client.subscribe(to: ["#"], qos: .exactlyOnce)
        var topics: [String] = []
        while topics.count < 4, let message = try client.nextMessage(until: .now + .seconds(10)) {
            topics.append(message.topic)
        }
        #expect(topics == ["0", "1", "2", "2"], "the one that was released may come again")
        #expect(try client.nextMessage(until: .now + .milliseconds(20)) == nil)
        try client.disconnect()
        #expect(
            broker.received().dropFirst(2) == [
                .acknowledgement(Acknowledgement(.puback, packetIdentifier: 9)),
                .acknowledgement(Acknowledgement(.pubrec, packetIdentifier: 7)),
                .acknowledgement(Acknowledgement(.pubrec, packetIdentifier: 7)),
                .acknowledgement(Acknowledgement(.pubcomp, packetIdentifier: 7)),
                .acknowledgement(Acknowledgement(.pubrec, packetIdentifier: 7)),
                .disconnect(Disconnect()),
            ])
    }

    @Test func aFarewellIsTold() throws {
        let broker = try ScriptedBroker { packet in
            if case .connect = packet {
                [Self.welcome, .disconnect(Disconnect(reason: .serverShuttingDown))]
            } else {
                []
            }
        }
        let client = try connect(broker)
        let found = failure { () throws(Failure) in _ = try client.nextMessage(until: nil) }
        #expect(found == Failure(.failed, "the broker ended the connection: server shutting down"))
    }

    @Test func aBrokerThatCloses() throws {
        let broker = try ScriptedBroker { _ in nil }
        let found = failure { () throws(Failure) in _ = try connect(broker) }
        #expect(found?.status == .unreachable)
        #expect(found?.text.contains("closed the connection (end of stream)") == true, "\(found?.text ?? "")")
    }

    @Test func aSilentBroker() throws {
        let broker = try ScriptedBroker { _ in [] }
        var address = broker.address(.v3_1_1)
        address.timeout = .milliseconds(50)
        let found = failure { () throws(Failure) in
            _ = try MQTTClient(address, identifier: nil, keepAlive: 0)
        }
        #expect(found == Failure(.unreachable, "the broker did not answer to CONNECT within 0.05 s"))
    }

    @Test func aBrokerThatBreaksTheProtocol() throws {
        // A CONNACK from version 3.1.1 makes no sense in 5: its properties are missing.
        let broker = try ScriptedBroker(answersIn: .v3_1_1) { _ in [Self.welcome] }
        let found = failure { () throws(Failure) in _ = try connect(broker) }
        #expect(found?.status == .failed)
        #expect(found?.text.contains("does not keep to the protocol") == true, "\(found?.text ?? "")")
    }

    @Test func keepAliveIsKept() throws {
        let broker = try ScriptedBroker { packet in
            switch packet {
            case .connect: [Self.welcome]
            case .pingreq: [.pingresp]
            default: []
            }
        }
        let client = try connect(broker, keepAlive: 1)
        #expect(try client.nextMessage(until: .now + .milliseconds(1500)) == nil)
        #expect(broker.received().contains(.pingreq), "after 0.75 s")
    }

    @Test func nobodyThere() {
        let broker = Broker(host: "127.0.0.1", port: 1, version: .v5, timeout: .seconds(1))
        let found = failure { () throws(Failure) in _ = try MQTTClient(broker, identifier: nil, keepAlive: 0) }
        #expect(found?.status == .unreachable)
        #expect(found?.text.contains("127.0.0.1 port 1 (Connection refused)") == true, "\(found?.text ?? "")")
    }
}

/// Accepts one connection, on a thread of its own, and answers each packet by what a script says; nil closes.
final class ScriptedBroker: Sendable {
    private let listening: Int32
    private let port: UInt16
    private let log = Log()

    /// What came in; in the order that it came.
    private final class Log: @unchecked Sendable {
        // Unsafe to share but for the lock.
        private let lock = NSLock()
        private var packets: [Packet] = []

        func append(_ packet: Packet) { lock.withLock { packets.append(packet) } }
        var all: [Packet] { lock.withLock { packets } }
    }

    init(answersIn version: ProtocolVersion = .v5, _ script: @escaping @Sendable (Packet) -> [Packet]?) throws {
        listening = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listening = listening
        let isReady = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe bind(listening, address, size) == 0 && listen(listening, 1) == 0
                    && getsockname(listening, address, &size) == 0
            }
        }
        try #require(isReady)
        port = UInt16(bigEndian: address.sin_port)

        Thread.detachNewThread { [log] in
            let connection = accept(listening, nil, nil)
            defer { close(connection) }
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = unsafe read(connection, &chunk, chunk.count)
                guard count > 0 else { return }
                bytes += chunk.prefix(count)
                while let header = try? FixedHeader.read(bytes.span, at: 0), header.packetLength <= bytes.count {
                    guard
                        let packet = try? Packet(
                            decoding: bytes.span, at: 0, header: header, version: version, from: .client)
                    else { return }
                    bytes.removeFirst(header.packetLength)
                    log.append(packet)
                    guard let answers = script(packet) else { return }
                    var output: [UInt8] = []
                    for answer in answers { answer.encode(into: &output, version: version) }
                    _ = unsafe send(connection, output, output.count, Int32(MSG_NOSIGNAL))
                }
            }
        }
    }

    deinit {
        close(listening)
    }

    func address(_ version: ProtocolVersion) -> Broker {
        Broker(host: "127.0.0.1", port: port, version: version, timeout: .seconds(10))
    }

    func received() -> [Packet] { log.all }
}
