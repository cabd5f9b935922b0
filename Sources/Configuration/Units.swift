// Sizes and durations as the file spells them: "8 MiB", "10 s". Pure text to value and back, used by the table of
// keys for parsing, for error messages and for the reference.

/// One unit and how many of the smallest it stands for.
struct Unit: Sendable {
    let name: String
    let factor: Int
}

enum Units {
    static let sizes = [
        Unit(name: "B", factor: 1), Unit(name: "KiB", factor: 1 << 10), Unit(name: "MiB", factor: 1 << 20),
        Unit(name: "GiB", factor: 1 << 30),
    ]
    /// In milliseconds.
    static let durations = [
        Unit(name: "ms", factor: 1), Unit(name: "s", factor: 1000), Unit(name: "min", factor: 60_000),
        Unit(name: "h", factor: 3_600_000),
    ]

    /// "B, KiB, MiB, GiB": what error messages offer.
    static func names(_ units: [Unit]) -> String {
        units.map(\.name).joined(separator: ", ")
    }

    /// "8 MiB" or "8MiB" to 8388608.
    /// - Returns: nil for anything but a whole number and one of the units, or if it overflows.
    static func parse(_ text: String, _ units: [Unit]) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let name = text.dropFirst(digits.count).drop { $0 == " " }
        guard let count = Int(digits), let unit = units.first(where: { $0.name == name }) else { return nil }
        let (value, overflow) = count.multipliedReportingOverflow(by: unit.factor)
        return overflow ? nil : value
    }

    /// 8388608 to "8 MiB": the largest unit that leaves a whole number.
    static func format(_ value: Int, _ units: [Unit]) -> String {
        let unit = units.last { value != 0 && value.isMultiple(of: $0.factor) } ?? units[0]
        return "\(value / unit.factor) \(unit.name)"
    }
}
