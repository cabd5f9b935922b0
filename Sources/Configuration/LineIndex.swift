// Says on which line of a TOML file a key stands, because the parser keeps no positions. It is used only to point at
// a mistake, on text that the parser has already accepted: it need not find every key (inline tables are named by the
// key that holds them), and it must not fail on anything.

/// From key paths (`limits.packet_size`, `listener[1].bind`) to line numbers.
struct LineIndex: Sendable {
    private var lines: [String: Int] = [:]

    /// The line of the key, or of the nearest table around it that has one; nil if there is none.
    func line(of path: String) -> Int? {
        var path = Substring(path)
        while !path.isEmpty {
            if let line = lines[String(path)] { return line }
            path = path[..<(path.lastIndex { $0 == "." || $0 == "[" } ?? path.startIndex)]
        }
        return nil
    }

    init(_ text: String) {
        var scanner = Scanner(bytes: Array(text.utf8))
        /// How many `[[name]]` there have been of each.
        var counts: [String: Int] = [:]
        var prefix = ""
        while scanner.skipToStatement() {
            let line = scanner.line
            let brackets = scanner.takeBrackets()
            let names = scanner.takeKey()
            guard brackets > 0 else {
                record(Self.join(prefix, names), line)
                scanner.skipValue()
                continue
            }
            // A component that is an array of tables means its latest element.
            prefix = names.dropLast().reduce("") { Self.element(Self.join($0, [$1]), counts) }
            prefix = Self.join(prefix, names.suffix(1))
            if brackets == 2 { counts[prefix, default: 0] += 1 }
            prefix = Self.element(prefix, counts)
            record(prefix, line)
            scanner.skipLine()
        }
    }

    /// The first mention wins: a dotted key also names the tables that it is the first to mention.
    private mutating func record(_ path: String, _ line: Int) {
        if lines[path] == nil { lines[path] = line }
        if let dot = path.lastIndex(of: ".") { record(String(path[..<dot]), line) }
    }

    private static func element(_ path: String, _ counts: [String: Int]) -> String {
        counts[path].map { "\(path)[\($0 - 1)]" } ?? path
    }

    private static func join(_ prefix: String, _ names: some Sequence<String>) -> String {
        names.reduce(prefix) { $0.isEmpty ? $1 : "\($0).\($1)" }
    }
}

/// Walks over TOML statements; knows strings, comments and brackets, and nothing else.
private struct Scanner {
    let bytes: [UInt8]
    var position = 0
    var line = 1

    private func peek(_ ahead: Int = 0) -> UInt8? {
        position + ahead < bytes.count ? bytes[position + ahead] : nil
    }

    private mutating func advance() {
        if bytes[position] == UInt8(ascii: "\n") { line += 1 }
        position += 1
    }

    /// To the first byte of the next statement; false at the end.
    mutating func skipToStatement() -> Bool {
        while let byte = peek() {
            if byte == UInt8(ascii: "#") {
                skipLine()
            } else if byte == UInt8(ascii: " ") || (9...13).contains(byte) {
                advance()
            } else {
                return true
            }
        }
        return false
    }

    mutating func skipLine() {
        while let byte = peek(), byte != UInt8(ascii: "\n") { advance() }
    }

    /// 0 before a key, 1 in `[table]`, 2 in `[[array]]`.
    mutating func takeBrackets() -> Int {
        var count = 0
        while count < 2, peek() == UInt8(ascii: "[") {
            advance()
            count += 1
        }
        return count
    }

    /// The components of a dotted key, quotes taken off, up to `=`, `]` or the line's end.
    mutating func takeKey() -> [String] {
        var names: [String] = []
        var name: [UInt8] = []
        while let byte = peek(), byte != UInt8(ascii: "="), byte != UInt8(ascii: "]"), byte != UInt8(ascii: "\n") {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                let start = position + 1
                skipString(byte)
                name += bytes[min(start, position)..<max(start, position - 1)]
            case UInt8(ascii: "."):
                names.append(String(decoding: name, as: UTF8.self))
                name = []
                advance()
            default:
                if byte > 0x20 { name.append(byte) }
                advance()
            }
        }
        return names + [String(decoding: name, as: UTF8.self)]
    }

    /// From the `=` to the end of the value, however many lines it spans.
    mutating func skipValue() {
        var depth = 0
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "'"): skipString(byte)
            case UInt8(ascii: "#"): skipLine()
            case UInt8(ascii: "\n") where depth == 0: return
            default:
                if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") { depth += 1 }
                if byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}") { depth -= 1 }
                advance()
            }
        }
    }

    /// Over a string of any of TOML's four kinds, from its opening quote to after its closing one.
    private mutating func skipString(_ quote: UInt8) {
        let long = peek(1) == quote && peek(2) == quote
        for _ in 0..<(long ? 3 : 1) { advance() }
        while let byte = peek() {
            if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\""), peek(1) != nil {
                advance()
            } else if byte == quote, !long || (peek(1) == quote && peek(2) == quote) {
                for _ in 0..<(long ? 3 : 1) { advance() }
                // `""""` ends with a quote of its own before the three.
                while long, peek() == quote { advance() }
                return
            } else if byte == UInt8(ascii: "\n"), !long {
                return
            }
            advance()
        }
    }
}
