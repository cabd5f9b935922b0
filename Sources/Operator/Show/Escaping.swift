// Client ids, topics and payloads are written by strangers: before they are shown, whatever could move the cursor,
// change the colour, hide or reorder text is written out.

/// The text with control characters, invisible and reordering ones and backslashes written as `\n`, `\\`, `\u{1b}`.
/// Never longer than eleven bytes for each of its scalars; one line, whatever was in it.
package func escaped(_ text: some StringProtocol) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        switch scalar {
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
