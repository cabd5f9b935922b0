// `apusctl pub`: publish messages.

import ArgumentParser
import Glibc
import MQTT

struct Pub: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Publish messages.",
        discussion: """
            Returns when the broker has them: at QoS 1 and 2 when it has said so. An empty message with --retain \
            removes the retained one. Example: apusctl pub -t room/temperature -m 21.5 -q 1
            """,
        helpNames: .long)

    @OptionGroup var broker: BrokerOptions

    @Option(name: .shortAndLong, parsing: .unconditional, help: "The topic to publish to.")
    var topic: String

    @Option(name: .shortAndLong, parsing: .unconditional, help: ArgumentHelp("The message.", valueName: "text"))
    var message: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Publish what is in a file, or - for standard input.", valueName: "path"))
    var file: String?

    @Flag(name: .shortAndLong, help: "Publish each line of standard input as a message.")
    var lines = false

    @Option(name: .shortAndLong, help: "The quality of service: 0, 1 or 2.", transform: parseQoS)
    var qos = QoS.atMostOnce

    @Flag(name: .shortAndLong, help: "Let the broker keep it for later subscribers.")
    var retain = false

    @Option(parsing: .unconditional, help: "The client id; made up where it is not given.")
    var id: String?

    func validate() throws {
        if [message != nil, file != nil, lines].count(where: { $0 }) != 1 {
            throw ValidationError("say what to publish: one of --message, --file and --lines")
        }
        do {
            try TopicName.check(Array(topic.utf8).span)
        } catch {
            throw ValidationError("--topic can not be \(escaped(topic)): \(error)")
        }
        try checkClientID(id)
    }

    func run() throws {
        // Read before connecting, lest a file that is not there makes a connection.
        let payload = try file.map { try Input.readAll($0) } ?? message.map { Array($0.utf8) }
        // No keep-alive: the next line of standard input may be long in coming.
        let client = try MQTTClient(broker.broker, identifier: id, keepAlive: 0)
        if let payload {
            try client.publish(topic, payload, qos: qos, retain: retain)
        } else {
            var input = Input(STDIN_FILENO)
            while let line = try input.nextLine() {
                try client.publish(topic, line, qos: qos, retain: retain)
            }
        }
        try client.disconnect()
    }
}
