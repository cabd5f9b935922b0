// Client ids, topics and payloads are written by strangers: before they are shown, whatever could move the cursor,
// change the colour, hide or reorder text is written out.

/// The text with control characters, invisible and reordering ones and backslashes written as `\n`, `\\`, `\u{1b}`.
/// Never longer than eleven bytes for each of its scalars; one line, whatever was in it.
package func escaped(_ text: some StringProtocol) -> String {
    escaped(text, except: [])
}

/// A payload for a terminal: as it is but for what could harm it; where it is no text, its bytes in hexadecimal.
package func shown(_ payload: [UInt8]) -> String {
    guard let text = String(validating: payload, as: UTF8.self) else {
        return payload.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
    return escaped(text, except: ["\n", "\t", "\\"])
}

private func escaped(_ text: some StringProtocol, except kept: [Unicode.Scalar]) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case _ where kept.contains(scalar): result.unicodeScalars.append(scalar)
        case "\n": result += "\\n"
        case "\r": result += "\\r"
        case "\t": result += "\\t"
        case "\\": result += "\\\\"
        case _ where isHarmless(scalar): result.unicodeScalars.append(scalar)
        default: result += "\\u{\(String(scalar.value, radix: 16))}"
        }
    }
    return result
}

private func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: false
    default: true
    }
}
