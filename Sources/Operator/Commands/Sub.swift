// `apusctl sub`: subscribe and print what comes.

import ArgumentParser
import Control
import FoundationEssentials
package import MQTT

struct Sub: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Subscribe, and print the messages that come.",
        discussion: """
            A payload is printed as it is, with a line feed behind it; on a terminal, what could harm it is written \
            out. With --json each message is one object on a line. Exit status \
            \(Failure.Status.timedOut.rawValue): \(Failure.Status.timedOut.meaning) --count messages came. Example: \
            apusctl sub -v -t 'room/#'
            """,
        helpNames: .long)

    @ParentCommand var parent: ApusCtl
    @OptionGroup var broker: BrokerOptions

    @Option(
        name: .shortAndLong, parsing: .unconditionalSingleValue,
        help: "A topic filter to subscribe to; may be repeated.")
    var topic: [String]

    @Option(name: .shortAndLong, help: "The greatest quality of service: 0, 1 or 2.", transform: parseQoS)
    var qos = QoS.atMostOnce

    @Option(name: [.customShort("C"), .long], help: "End after so many messages.")
    var count: Int?

    @Option(name: [.customShort("W"), .long], help: ArgumentHelp("End after so many seconds.", valueName: "seconds"))
    var timeout: Double?

    @Flag(name: .shortAndLong, help: "Print the topic before each message.")
    var verbose = false

    @Flag(help: "Print JSON for programs.")
    var json = false

    @Option(parsing: .unconditional, help: "The client id; made up where it is not given.")
    var id: String?

    func validate() throws {
        for filter in topic {
            do {
                try TopicFilter.check(Array(filter.utf8).span)
            } catch {
                throw ValidationError("--topic can not be \(escaped(filter)): \(error)")
            }
        }
        if let count, count < 1 { throw ValidationError("--count must be 1 or more, it is \(count)") }
        if let timeout, !(timeout > 0 && timeout < 1e9) { throw ValidationError("--timeout must be more than 0") }
        try checkClientID(id)
    }

    func run() throws {
        let deadline = timeout.map { ContinuousClock.now + .seconds($0) }
        let client = try MQTTClient(broker.broker, identifier: id, keepAlive: 60)
        try client.subscribe(to: topic, qos: qos)
        let form = ReceivedMessage.Form(
            json: json || parent.options.json, topic: verbose, terminal: Output.isTerminal)
        var left = count ?? .max
        while left > 0, let message = try client.nextMessage(until: deadline) {
            try Output.print(ReceivedMessage(message).bytes(form))
            left -= 1
        }
        try client.disconnect()
        if count != nil, left > 0 {
            throw Failure(.timedOut, "\(left) of \(count ?? 0) messages did not come within \(number(timeout ?? 0)) s")
        }
    }
}

/// A message as `sub` prints it; its JSON keys are an interface for scripts.
package struct ReceivedMessage: Encodable {
    var topic: String
    /// The payload as text; in base64 where it is no text.
    var payload: String
    /// `base64`, or absent.
    var encoding: String?
    var qos: UInt8
    var retain: Bool

    private let payloadBytes: [UInt8]

    private enum CodingKeys: String, CodingKey {
        case topic, payload, encoding, qos, retain
    }

    package init(_ message: Publish) {
        topic = message.topic
        payloadBytes = message.payload
        qos = message.qos.rawValue
        retain = message.retain
        if let text = String(validating: message.payload, as: UTF8.self) {
            payload = text
        } else {
            payload = Data(message.payload).base64EncodedString()
            encoding = "base64"
        }
    }

    /// How to print.
    package struct Form {
        var json: Bool
        var topic: Bool
        var terminal: Bool

        package init(json: Bool, topic: Bool, terminal: Bool) {
            self.json = json
            self.topic = topic
            self.terminal = terminal
        }
    }

    /// The line to print, its line feed included.
    package func bytes(_ form: Form) throws -> [UInt8] {
        let lineFeed = [UInt8(ascii: "\n")]
        if form.json { return try JSON.encode(self) + lineFeed }
        let prefix = form.topic ? Array("\(escaped(topic)) ".utf8) : []
        return prefix + (form.terminal ? Array(shown(payloadBytes).utf8) : payloadBytes) + lineFeed
    }
}
