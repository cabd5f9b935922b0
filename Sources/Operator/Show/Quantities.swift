// Numbers for people.

import Glibc

/// A number with as many decimals as it has, three at most: `10`, `0.05`.
package func number(_ value: Double) -> String {
    let thousandths = Int64((value * 1000).rounded())
    var text = "\(thousandths / 1000)"
    var rest = abs(thousandths % 1000)
    if thousandths < 0 && thousandths > -1000 { text = "-0" }
    guard rest > 0 else { return text }
    var digits = 3
    while rest % 10 == 0 {
        rest /= 10
        digits -= 1
    }
    let decimals = String(rest)
    return text + "." + String(repeating: "0", count: digits - decimals.count) + decimals
}

/// A number with so many decimals, rounded: `12.50`.
package func number(_ value: Double, decimals: Int) -> String {
    let scale = pow(10, Double(decimals))
    let units = Int64((abs(value) * scale).rounded())
    let digits = String(units)
    let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    let sign = value < 0 && units > 0 ? "-" : ""
    return decimals == 0 ? sign + padded : sign + padded.dropLast(decimals) + "." + padded.suffix(decimals)
}

/// A whole number with its thousands apart: `1,234,567`.
package func grouped(_ value: UInt64) -> String {
    var groups: [Substring] = []
    var rest = String(value)[...]
    while rest.count > 3 {
        groups.insert(rest.suffix(3), at: 0)
        rest = rest.dropLast(3)
    }
    return ([rest] + groups).joined(separator: ",")
}

/// A span of time by its two greatest units: `3 d 4 h`, `5 min 6 s`, `12 s`.
package func span(seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e15 else { return "?" }
    let whole = Int(seconds)
    let units = [("d", whole / 86400), ("h", whole / 3600 % 24), ("min", whole / 60 % 60), ("s", whole % 60)]
    guard let first = units.firstIndex(where: { $0.1 > 0 }) else { return "0 s" }
    return units[first...].prefix(2).filter { $0.1 > 0 }.map { "\($0.1) \($0.0)" }.joined(separator: " ")
}
