// Whether text may be emphasized, and how.

/// How text is shown: plain, or with the few emphases that a terminal knows.
package struct Style: Sendable, Equatable {
    package var isColoured: Bool

    package init(isColoured: Bool) {
        self.isColoured = isColoured
    }

    /// Emphasis on a terminal only, and not where the user set NO_COLOR (to anything but nothing) or has a terminal
    /// that knows none.
    package init(isTerminal: Bool, environment: [String: String]) {
        isColoured = isTerminal && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
    }

    package func bold(_ text: String) -> String {
        isColoured ? "\u{1b}[1m\(text)\u{1b}[0m" : text
    }
}
