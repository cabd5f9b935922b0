// The options that all MQTT commands share.

import ArgumentParser
import MQTT

struct BrokerOptions: ParsableArguments {
    @Option(name: [.customShort("h"), .long], help: "The broker's host name or address.")
    var host = "127.0.0.1"

    @Option(name: .shortAndLong, help: "The broker's MQTT port.")
    var port: UInt16 = 1883

    @Option(name: .customLong("protocol"), help: "The version of MQTT.")
    var version = Version.v5

    enum Version: String, ExpressibleByArgument, CaseIterable {
        case v31 = "3.1"
        case v311 = "3.1.1"
        case v5 = "5"
    }

    func validate() throws {
        if port == 0 { throw ValidationError("--port must be from 1 to 65535") }
    }

    var broker: Broker {
        let version: ProtocolVersion =
            switch self.version {
            case .v31: .v3_1
            case .v311: .v3_1_1
            case .v5: .v5
            }
        return Broker(host: host, port: port, version: version, timeout: .seconds(10))
    }
}

/// The quality of service as an option's value.
func parseQoS(_ text: String) throws -> QoS {
    guard let number = UInt8(text), let qos = QoS(rawValue: number) else {
        throw ValidationError("the quality of service must be 0, 1 or 2")
    }
    return qos
}

/// Refuses what no packet can carry as the client id.
func checkClientID(_ identifier: String?) throws {
    guard let identifier else { return }
    if identifier.isEmpty || identifier.utf8.count > 65_535 || identifier.utf8.contains(0) {
        throw ValidationError("--id must have from 1 to 65535 bytes, none of them zero")
    }
}
