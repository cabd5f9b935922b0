// Aligned columns for people.

/// Rows of text under a heading.
package struct Table {
    /// How a column's cells stand.
    package enum Alignment: Sendable {
        case left, right
    }

    private let columns: [(title: String, alignment: Alignment)]
    private var rows: [[String]] = []

    package init(_ columns: (title: String, alignment: Alignment)...) {
        self.columns = columns
    }

    /// Adds a row with as many cells as there are columns. The cells are escaped here.
    package mutating func add(_ cells: String...) {
        precondition(cells.count == columns.count)
        rows.append(cells.map { escaped($0) })
    }

    /// The lines, each ended by a line feed; the heading alone where there are no rows.
    package func text(_ style: Style) -> String {
        let widths = columns.indices.map { column in
            rows.reduce(width(columns[column].title)) { max($0, width($1[column])) }
        }
        func line(_ cells: [String]) -> String {
            var line = ""
            for (column, cell) in cells.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - width(cell))
                line += column == 0 ? "" : "  "
                line += columns[column].alignment == .left ? cell + padding : padding + cell
            }
            while line.last == " " { line.removeLast() }
            return line
        }
        return style.bold(line(columns.map(\.title))) + "\n" + rows.map { line($0) + "\n" }.joined()
    }

    /// Cells on a terminal, nearly: one for each character, two for the wide ones of East Asia and for pictures.
    private func width(_ text: String) -> Int {
        text.reduce(0) { sum, character in
            let scalar = character.unicodeScalars.first!
            let isWide: Bool =
                switch scalar.value {
                case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
                    0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
                    true
                default: false
                }
            return sum + (isWide ? 2 : 1)
        }
    }
}
