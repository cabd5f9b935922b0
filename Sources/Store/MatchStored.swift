// Which stored sessions a topic is for, found in the index of filters as in a tree: level by level, and only where a filter
// goes on.

extension Loader {
    /// The numbers of the sessions with a subscription that matches, shared ones left out; one may come twice.
    func sessions(matching topic: [UInt8]) throws(SQLiteFailure) -> [UInt32] {
        var found: [UInt32] = []
        let levels = topic.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        try walk([], levels[...], &found)
        return found
    }

    /// - Parameter prefix: of filters, with the separator; empty: the first level.
    private func walk(
        _ prefix: [UInt8], _ levels: ArraySlice<ArraySlice<UInt8>>, _ found: inout [UInt32]
    ) throws(SQLiteFailure) {
        // Wildcards at the first level are for no topic that begins with `$` [MQTT-4.7.2-1].
        let mayBeWild = !prefix.isEmpty || levels.first?.first != UInt8(ascii: "$")
        if mayBeWild { try add(prefix + Array("#".utf8), &found) }
        guard let level = levels.first else { return }
        for candidate in mayBeWild ? [level, Array("+".utf8)[...]] : [level] {
            let path = prefix + candidate
            if levels.count == 1 {
                try add(path, &found)
                // The parent of what `#` stands for matches as well [MQTT-4.7.1-2].
                try add(path + Array("/#".utf8), &found)
            } else if try begins(path + Array("/".utf8)) {
                try walk(path + Array("/".utf8), levels.dropFirst(), &found)
            }
        }
    }

    private func add(_ filter: [UInt8], _ found: inout [UInt32]) throws(SQLiteFailure) {
        try each("SELECT session FROM subscription WHERE filter = ?1", filter) {
            found.append(UInt32(truncatingIfNeeded: $0.integer(0)))
            return true
        }
    }

    /// Whether any filter begins so.
    private func begins(_ prefix: [UInt8]) throws(SQLiteFailure) -> Bool {
        try first("SELECT filter FROM subscription WHERE filter >= ?1 ORDER BY filter LIMIT 1", prefix) {
            $0.octets(0).starts(with: prefix)
        } ?? false
    }
}
