// What swift-log calls for every line of this process: turns its event into a record and hands it to the writer.
// Libraries that log through swift-log arrive here just as the broker's own events do.

internal import Logging

struct Handler: LogHandler {
    let writer: Writer
    var metadata: Logger.Metadata = [:]
    /// Set on one logger, it holds for that logger; else the process' level holds, which a reload changes.
    private var own: Logger.Level?

    init(writer: Writer) { self.writer = writer }

    var logLevel: Logger.Level {
        get { own ?? Journal.level }
        set { own = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let given = event.metadata { all.merge(given) { $1 } }
        let kind = all.removeValue(forKey: Self.eventKey).flatMap { Event(rawValue: $0.description) }
        // swift-log's metadata has no order: our own fields come in the table's, others by their names.
        var fields: [(key: String, value: String)] = []
        for field in Field.allCases {
            guard let value = all.removeValue(forKey: field.rawValue) else { continue }
            fields.append((field.rawValue, value.description))
        }
        fields += all.sorted { $0.key < $1.key }.map { ($0.key, $0.value.description) }
        if let error = event.error { fields.append((Field.error.rawValue, "\(error)")) }
        let (seconds, nanoseconds) = Writer.wallClock()
        writer.write(
            Record(
                seconds: seconds, nanoseconds: nanoseconds, level: event.level, message: event.message.description,
                event: kind, fields: fields))
    }

    /// The metadata key under which the kind of event passes through swift-log.
    static let eventKey = "event"
}
