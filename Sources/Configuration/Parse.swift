// The text of a configuration file to a checked value. Every problem is collected, so that one run shows them all;
// nothing is fatal here, the caller decides. Uses TOMLKit for the syntax and the table of keys for the meaning.

import TOMLKit

extension Configuration {
    /// Reads a configuration's text over `base`, which holds what applies where the file says nothing.
    /// - Parameter file: The name that problems bear.
    package static func parse(
        _ text: String, file: String, over base: Configuration
    ) throws(ConfigurationErrors) -> Configuration {
        var parser = Parser(file: file, lines: LineIndex(text))
        var configuration = base
        parser.read(text, into: &configuration)
        guard parser.problems.isEmpty else {
            let byLine = parser.problems.enumerated().sorted {
                ($0.element.line ?? 0, $0.offset) < ($1.element.line ?? 0, $1.offset)
            }
            throw ConfigurationErrors(problems: byLine.map(\.element))
        }
        return configuration
    }
}

private struct Parser {
    let file: String
    let lines: LineIndex
    var problems: [ConfigurationErrors.Problem] = []

    mutating func read(_ text: String, into configuration: inout Configuration) {
        // The C library below takes a C string and would not see what follows.
        if let nul = text.utf8.firstIndex(of: 0) {
            let line = text.utf8[..<nul].count { $0 == UInt8(ascii: "\n") } + 1
            problems.append(.init(file: file, line: line, key: "", message: "a NUL character is not allowed"))
            return
        }
        let root: TOMLTable
        do {
            root = try TOMLTable(string: text)
        } catch {
            let error = error as? TOMLParseError
            problems.append(
                .init(
                    file: file, line: error?.source.begin.line, key: "",
                    message: "not valid TOML: \(error?.description ?? "unknown error")"))
            return
        }
        for name in root.keys {
            guard let value = root[name] else { continue }
            if name == "listener" {
                configuration.listeners = listeners(value)
            } else if name == "bridge" {
                configuration.bridge = bridge(value)
            } else if let section = Configuration.sections.first(where: { $0.name == name && !name.isEmpty }) {
                guard let table = value.table else {
                    refuse(name, "must be a table, [\(name)]")
                    continue
                }
                for key in table.keys {
                    guard let value = table[key] else { continue }
                    assign(&configuration, section.keys, key, Value(value), "\(name).\(key)")
                }
            } else if let top = Configuration.sections.first(where: \.name.isEmpty)?.keys {
                guard top.contains(where: { $0.name == name }) else {
                    let sections = Configuration.sections.map(\.name).filter { !$0.isEmpty }.map { "[\($0)]" }
                    refuse(
                        name,
                        "unknown; known here: \((top.map(\.name) + ["[[listener]]", "[bridge.rabbitmq]"] + sections).listed)"
                    )
                    continue
                }
                assign(&configuration, top, name, Value(value), name)
            }
        }
    }

    private mutating func refuse(_ key: String, _ message: String) {
        problems.append(.init(file: file, line: lines.line(of: key), key: key, message: message))
    }

    private mutating func assign<Root>(
        _ root: inout Root, _ keys: [Key<Root>], _ name: String, _ value: Value, _ path: String
    ) {
        guard let key = keys.first(where: { $0.name == name }) else {
            refuse(path, "unknown; known here: \(keys.map(\.name).listed)")
            return
        }
        if !key.set(&root, value) { refuse(path, "\(value.literal) is not allowed; it must be \(key.allowed)") }
    }

    private mutating func bridge(_ value: any TOMLValueConvertible) -> Configuration.Bridge? {
        guard let kinds = value.table else {
            refuse("bridge", "must be a table, [bridge.rabbitmq]")
            return nil
        }
        var bridge: Configuration.Bridge?
        for kind in kinds.keys {
            guard kind == "rabbitmq", let table = kinds[kind]?.table else {
                refuse("bridge.\(kind)", "unknown; known here: [bridge.rabbitmq]")
                continue
            }
            var found = Configuration.Bridge()
            for key in table.keys {
                guard let value = table[key] else { continue }
                assign(&found, Configuration.bridgeKeys, key, Value(value), "bridge.rabbitmq.\(key)")
            }
            for key in Configuration.requiredBridgeKeys where table[key] == nil {
                let allowed = Configuration.bridgeKeys.first { $0.name == key }?.allowed ?? ""
                refuse("bridge.rabbitmq.\(key)", "is missing; it must be \(allowed)")
            }
            if found.certificate.isEmpty != found.key.isEmpty {
                refuse("bridge.rabbitmq", "certificate and key belong together")
            }
            if found.mode == .cluster {
                if !found.inbound.isEmpty {
                    refuse(
                        "bridge.rabbitmq.inbound",
                        "is not for a cluster, where what comes from RabbitMQ is what clients subscribe to; remove it")
                }
                if found.exchangeType != .topic {
                    refuse("bridge.rabbitmq.exchange_type", "must be \"topic\" in a cluster")
                }
                if found.prefetch > Configuration.clusterPrefetch {
                    refuse(
                        "bridge.rabbitmq.prefetch",
                        "must be at most \(Configuration.clusterPrefetch) in a cluster, where so many are recognized that come "
                            + "a second time")
                }
            }
            bridge = found
        }
        return bridge
    }

    private mutating func listeners(_ value: any TOMLValueConvertible) -> [Configuration.Listener] {
        guard let array = value.array, array.allSatisfy({ $0.table != nil }) else {
            refuse("listener", "must be tables, each headed [[listener]]")
            return []
        }
        guard !array.isEmpty else {
            refuse("listener", "at least one is needed")
            return []
        }
        var listeners: [Configuration.Listener] = []
        for (index, element) in array.enumerated() {
            guard let table = element.table else { continue }
            let path = "listener[\(index)]"
            // What is missing is refused below, so these never remain.
            var listener = Configuration.Listener(name: "", transport: .mqtt, bind: .systemd(name: ""))
            let before = problems.count
            for key in table.keys {
                guard let value = table[key] else { continue }
                assign(&listener, Configuration.listenerKeys, key, Value(value), "\(path).\(key)")
            }
            for key in Configuration.requiredListenerKeys where table[key] == nil {
                let allowed = Configuration.listenerKeys.first { $0.name == key }?.allowed ?? ""
                refuse("\(path).\(key)", "is missing; it must be \(allowed)")
            }
            guard problems.count == before else { continue }
            for key in ["origins", "hosts"] where listener.transport != .websocket && table[key] != nil {
                refuse("\(path).\(key)", #"is only for protocol = "websocket""#)
            }
            for earlier in listeners {
                if earlier.name == listener.name {
                    refuse("\(path).name", "\"\(listener.name)\" is the name of an earlier listener; it must be unique")
                }
                if earlier.bind == listener.bind, !listener.bind.isChosenBySystem {
                    refuse("\(path).bind", "\(listener.bind) is taken by the listener \"\(earlier.name)\"")
                }
            }
            listeners.append(listener)
        }
        return listeners
    }
}

extension Configuration.Address {
    fileprivate var isChosenBySystem: Bool {
        switch self {
        case .ipv4(_, let port), .ipv6(_, let port): port == 0
        case .systemd: false
        }
    }
}

extension Value {
    /// A node of the parsed file; what no setting can be is kept by the name of its kind.
    fileprivate init(_ node: any TOMLValueConvertible) {
        if let text = node.string {
            self = .string(text)
        } else if let flag = node.bool {
            self = .boolean(flag)
        } else if let number = node.int {
            self = .integer(number)
        } else if let array = node.array {
            let texts = array.compactMap(\.string)
            self = texts.count == array.count ? .strings(texts) : .other("list of something else than strings")
        } else {
            self = .other(node.type.description)
        }
    }
}

extension [String] {
    fileprivate var listed: String { sorted().joined(separator: ", ") }
}
