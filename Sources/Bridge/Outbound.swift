// From the router to RabbitMQ: a delivery is published, and acknowledged to the router once RabbitMQ has confirmed it.

internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages

/// What is on its way to RabbitMQ.
struct Outbound {
    /// A message that the publisher has.
    struct Item {
        let message: Message
        let serial: UInt64
        /// RabbitMQ has it, or never takes it.
        var isFinished = false
    }

    var lastSerial: UInt64 = 0
    /// By the packet identifier of this connection to the router. Identifiers of an earlier one mean nothing to it: another
    /// message may bear them.
    var items: [UInt16: Item] = [:]
    /// Those of the connection before, until the router sends them again.
    var former: [UInt16: Item] = [:]
    /// The packet identifiers of what is not confirmed, by serials.
    var identifiers: [UInt64: UInt16] = [:]
    /// Bytes of it by serials, those of QoS 0 included.
    var sizes: [UInt64: Int] = [:]
    var bytes = 0

    var count: Int { sizes.count }

    /// There is another connection to the router.
    mutating func startOver() {
        former = items
        items = [:]
    }
}

extension Bridge {
    /// Bytes that may wait for RabbitMQ here; beyond it the router keeps them.
    private static let congestion = 8 << 20

    /// A message of the router's.
    func delivered(_ message: Message, _ identifier: UInt16) {
        if identifier != 0, message.isDuplicate, let known = outbound.former.removeValue(forKey: identifier),
            known.message.topic == message.topic, known.message.payload == message.payload
        {
            // It is on its way already, or has arrived.
            if known.isFinished {
                router.acknowledge(identifier)
            } else {
                outbound.items[identifier] = known
            }
            return
        }
        do throws(Unmappable) {
            let key = try translator.keys.key(ofTopic: message.topic)
            let envelope = try translator.envelope(of: message, now: UInt64(time(nil)))
            outbound.lastSerial += 1
            let serial = outbound.lastSerial
            if identifier != 0 {
                outbound.items[identifier] = Outbound.Item(message: message, serial: serial)
                outbound.identifiers[serial] = identifier
            }
            let size = message.topic.count + message.payload.count + message.properties.count + 64
            outbound.sizes[serial] = size
            outbound.bytes += size
            publisher.orders.post(
                .publish([
                    Outgoing(
                        serial: serial, key: key, envelope: envelope, payload: message.payload, isKept: identifier != 0)
                ]))
            reconsiderCongestion()
        } catch {
            count(.messagesUnmappable)
            Journal.log(
                .bridgeUnmappable,
                [.topic: String(decoding: message.topic, as: UTF8.self), .reason: error.description])
            // It would never be otherwise.
            if identifier != 0 { router.acknowledge(identifier) }
        }
    }

    /// RabbitMQ has messages.
    func confirmed(_ serials: [UInt64]) {
        count(.messagesSent, by: serials.count)
        finished(serials)
    }

    /// Messages that RabbitMQ has not taken, and that are not sent again.
    func abandoned(_ serials: [UInt64]) { finished(serials) }

    private func finished(_ serials: [UInt64]) {
        for serial in serials {
            outbound.bytes -= outbound.sizes.removeValue(forKey: serial) ?? 0
            guard let identifier = outbound.identifiers.removeValue(forKey: serial) else { continue }
            if outbound.items[identifier]?.serial == serial {
                outbound.items[identifier] = nil
                router.acknowledge(identifier)
            } else if outbound.former[identifier]?.serial == serial {
                outbound.former[identifier]?.isFinished = true
            }
        }
        reconsiderCongestion()
    }

    /// The router keeps what RabbitMQ does not take.
    func reconsiderCongestion() {
        guard endsAt == nil else { return }
        guard case .up = publisherState else { return congest(true) }
        if outbound.bytes >= Self.congestion {
            congest(true)
        } else if outbound.bytes <= Self.congestion / 4 {
            congest(false)
        }
    }

    func congest(_ congested: Bool) {
        guard congested != isCongested else { return }
        isCongested = congested
        router.tellCongestion(congested)
    }
}
