// From RabbitMQ to the router: a delivery is published to the router, and acknowledged to RabbitMQ once the router has it.

internal import Journal
internal import MQTT
internal import Messages

/// What is on its way to the router.
struct Inbound {
    /// The consumer's, whose tags are known.
    var epoch: UInt64 = 0
    /// What the router has not been given.
    var waiting: [Incoming] = []
    /// What it has, and has not answered, by packet identifiers.
    var tags: [UInt16: UInt64] = [:]
    private var lastIdentifier: UInt16 = 0

    var count: Int { waiting.count + tags.count }

    /// An identifier that is free; nil: none is.
    mutating func takeIdentifier(for tag: UInt64) -> UInt16? {
        guard tags.count < Int(UInt16.max) else { return nil }
        repeat {
            lastIdentifier = lastIdentifier == .max ? 1 : lastIdentifier + 1
        } while tags[lastIdentifier] != nil
        tags[lastIdentifier] = tag
        return lastIdentifier
    }

    mutating func startOver() {
        waiting = []
        tags = [:]
    }
}

extension Bridge {
    /// Messages of RabbitMQ's.
    func received(_ messages: [Incoming], _ epoch: UInt64) {
        if epoch != inbound.epoch { inbound.startOver() }
        inbound.epoch = epoch
        inbound.waiting += messages
        passOn()
    }

    /// Gives the router what waits for it.
    func passOn() {
        guard router.isOpen, !inbound.waiting.isEmpty else { return }
        var count = 0
        for incoming in inbound.waiting {
            guard router.hasCredit, let identifier = inbound.takeIdentifier(for: incoming.tag) else { break }
            router.publish(incoming.message, identifier)
            count += 1
        }
        inbound.waiting.removeFirst(count)
    }

    /// The router has answered messages, in order.
    /// - Parameter reason: below 0x80 it has taken them.
    func answered(_ identifiers: [UInt16], _ reason: UInt8) {
        let outcome: Consumer.Outcome =
            switch reason {
            case ..<0x80: .taken
            // No room now, or not yet.
            case ReasonCode.quotaExceeded.rawValue, ReasonCode.unspecifiedError.rawValue,
                ReasonCode.implementationSpecificError.rawValue:
                .refusedForNow
            default: .refused
            }
        var settled: [(tag: UInt64, outcome: Consumer.Outcome)] = []
        for identifier in identifiers {
            guard let tag = inbound.tags.removeValue(forKey: identifier) else { continue }
            settled.append((tag, outcome))
        }
        guard !settled.isEmpty else { return }
        if outcome == .taken {
            count(.messagesReceived, by: settled.count)
        } else {
            Journal.log(
                .bridgeNotTaken,
                [.count: "\(settled.count)", .reason: "0x" + String(reason, radix: 16, uppercase: true)])
        }
        consumer.orders.post(.settle(settled, epoch: inbound.epoch))
    }

    /// What came from RabbitMQ and is not answered means nothing any more: RabbitMQ sends it again.
    func loseDeliveries() { inbound.startOver() }

    /// The router will not answer what it was given: RabbitMQ is to send it again.
    func askAgain() {
        guard inbound.count > 0 else { return }
        consumer.orders.post(.startOver(epoch: inbound.epoch))
        inbound.startOver()
    }
}
