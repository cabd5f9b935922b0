// A setting as data: its name, what it may be, its documentation, whether a reload applies it, and how it is read
// from and written to a value of its table. From these derive parsing, error messages, the comparison at a reload and
// the check of docs/configuration.md; Keys.swift lists them.

/// A value of the file, of the few kinds that settings have.
enum Value: Sendable, Equatable {
    case string(String)
    case integer(Int)
    case boolean(Bool)
    case strings([String])
    /// Anything else, by the name of its kind.
    case other(String)

    /// As it stands in the file, for messages and the reference.
    var literal: String {
        switch self {
        case .string(let text): Self.quote(text)
        case .integer(let number): "\(number)"
        case .boolean(let flag): "\(flag)"
        case .strings(let texts): "[" + texts.map(Self.quote).joined(separator: ", ") + "]"
        case .other(let kind): "a \(kind)"
        }
    }

    private static func quote(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case _ where scalar.properties.generalCategory == .control:
                quoted += "\\u" + String(scalar.value + 0x10000, radix: 16).dropFirst()
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

/// One setting of the table `Root`.
package struct Key<Root: Sendable>: Sendable {
    /// As in the file, without its table.
    package let name: String
    /// What it may be, in words: "an integer from 1 to 64".
    package let allowed: String
    /// Whether SIGHUP applies a change; else it waits for a restart.
    package let reload: Bool
    /// What it is for, one or two sentences.
    package let about: String
    /// Stores the value; false, and nothing stored, where it is not allowed.
    let set: @Sendable (inout Root, Value) -> Bool
    /// The value that stands in `Root` now.
    let get: @Sendable (Root) -> Value
}

extension Key {
    typealias Path<V> = WritableKeyPath<Root, V> & Sendable

    static func integer(
        _ name: String, _ path: any Path<Int>, _ range: ClosedRange<Int>, reload: Bool = true, _ about: String
    ) -> Self {
        Self(
            name: name, allowed: "an integer from \(range.lowerBound) to \(range.upperBound)", reload: reload,
            about: about
        ) {
            guard case .integer(let number) = $1, range.contains(number) else { return false }
            $0[keyPath: path] = number
            return true
        } get: {
            .integer($0[keyPath: path])
        }
    }

    /// Bytes, as an integer or a text with B, KiB, MiB or GiB.
    static func size(
        _ name: String, _ path: any Path<Int>, _ range: ClosedRange<Int>, reload: Bool = true, _ about: String
    ) -> Self {
        let show = { @Sendable (bytes: Int) in Units.format(bytes, Units.sizes) }
        return Self(
            name: name,
            allowed: "a size from \(show(range.lowerBound)) to \(show(range.upperBound)), "
                + "as 4096 or \"8 MiB\" (units: \(Units.names(Units.sizes)))",
            reload: reload, about: about
        ) {
            let bytes: Int? =
                switch $1 {
                case .integer(let number): number
                case .string(let text): Units.parse(text, Units.sizes)
                default: nil
                }
            guard let bytes, range.contains(bytes) else { return false }
            $0[keyPath: path] = bytes
            return true
        } get: {
            .string(show($0[keyPath: path]))
        }
    }

    /// Seconds as an integer, or a text with ms, s, min or h. The range is in milliseconds.
    static func duration(
        _ name: String, _ path: any Path<Duration>, _ range: ClosedRange<Int>, reload: Bool = true, _ about: String
    ) -> Self {
        let show = { @Sendable (milliseconds: Int) in Units.format(milliseconds, Units.durations) }
        return Self(
            name: name,
            allowed: "a duration from \(show(range.lowerBound)) to \(show(range.upperBound)), "
                + "as 5 or \"500 ms\" (units: \(Units.names(Units.durations)))",
            reload: reload, about: about
        ) {
            let milliseconds: Int? =
                switch $1 {
                case .integer(let seconds) where (0...Int(Int32.max)).contains(seconds): seconds * 1000
                case .string(let text): Units.parse(text, Units.durations)
                default: nil
                }
            guard let milliseconds, range.contains(milliseconds) else { return false }
            $0[keyPath: path] = .milliseconds(milliseconds)
            return true
        } get: {
            .string(show($0[keyPath: path].milliseconds))
        }
    }

    static func boolean(_ name: String, _ path: any Path<Bool>, reload: Bool = true, _ about: String) -> Self {
        Self(name: name, allowed: "true or false", reload: reload, about: about) {
            guard case .boolean(let flag) = $1 else { return false }
            $0[keyPath: path] = flag
            return true
        } get: {
            .boolean($0[keyPath: path])
        }
    }

    /// One of an enumeration's cases, each spelled by `literal`.
    static func choice<Choice: CaseIterable & Sendable>(
        _ name: String, _ path: any Path<Choice>, reload: Bool = true, _ about: String,
        literal: @escaping @Sendable (Choice) -> Value
    ) -> Self {
        let names = Choice.allCases.map { literal($0).literal }
        return Self(name: name, allowed: "one of " + names.joined(separator: ", "), reload: reload, about: about) {
            root, value in
            guard let choice = Choice.allCases.first(where: { literal($0) == value }) else { return false }
            root[keyPath: path] = choice
            return true
        } get: {
            literal($0[keyPath: path])
        }
    }

    /// A text that `parse` turns into what is stored; nil where it is not allowed.
    static func text<V: CustomStringConvertible & Sendable>(
        _ name: String, _ path: any Path<V>, allowed: String, reload: Bool = true, _ about: String,
        parse: @escaping @Sendable (String) -> V?
    ) -> Self {
        Self(name: name, allowed: allowed, reload: reload, about: about) {
            guard case .string(let text) = $1, let parsed = parse(text) else { return false }
            $0[keyPath: path] = parsed
            return true
        } get: {
            .string($0[keyPath: path].description)
        }
    }

    /// A list of texts, each of which must pass `check`.
    static func texts(
        _ name: String, _ path: any Path<[String]>, allowed: String, reload: Bool = true, _ about: String,
        check: @escaping @Sendable (String) -> Bool
    ) -> Self {
        Self(name: name, allowed: allowed, reload: reload, about: about) {
            guard case .strings(let texts) = $1, texts.allSatisfy(check) else { return false }
            $0[keyPath: path] = texts
            return true
        } get: {
            .strings($0[keyPath: path])
        }
    }
}
