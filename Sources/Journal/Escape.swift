// Makes any text harmless to show: what clients choose (identifiers, topics, user names) must neither end a line, nor
// move a cursor, nor pretend to be another field.

enum Escape {
    /// More of a value is not shown; a client identifier may be 64 KiB long.
    static let longest = 1024

    /// For the text of a line: control and formatting characters become `\u{…}`, a backslash is doubled.
    static func text(_ text: String) -> String {
        let text = cut(text)
        // Nearly every text passes as it is.
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\\") }) { return text }
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned, .surrogate:
                escaped += "\\u{\(String(scalar.value, radix: 16))}"
            default:
                if scalar == "\\" { escaped += "\\" }
                escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// For `key=value`: in quotes where it is empty or holds a blank, a quote or an equals sign.
    static func value(_ value: String) -> String {
        let text = text(value)
        guard text.isEmpty || text.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" || $0.isWhitespace }) else {
            return text
        }
        return "\"" + text.map { $0 == "\"" ? "\\\"" : String($0) }.joined() + "\""
    }

    /// The beginning of a long text, and a mark where it was cut.
    static func cut(_ text: String) -> String {
        guard text.utf8.count > longest else { return text }
        return String(decoding: text.utf8.prefix(longest), as: UTF8.self) + "…"
    }
}
