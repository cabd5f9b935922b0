// One log line on its way from the thread that reports to the thread that writes, and its two spellings: a readable
// line, and the fields of a journal entry. Pure; what clients say is escaped here, whatever it holds.

internal import Logging

struct Record: Sendable {
    /// Seconds and nanoseconds since 1970.
    var seconds: Int
    var nanoseconds: Int
    var level: Logger.Level
    var message: String
    /// nil for lines that come through swift-log from elsewhere.
    var event: Event?
    /// By key, in the order in which they are shown.
    var fields: [(key: String, value: String)]

    /// What it takes in the queue, about: the limit there is one of bytes.
    var size: Int { fields.reduce(128 + message.utf8.count) { $0 + 64 + $1.value.utf8.count } }
}

/// The moment of a line in local time, as the readable line shows it.
struct LocalTime: Sendable, Equatable {
    var year, month, day, hour, minute, second, millisecond: Int

    var text: String {
        func padded(_ number: Int, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2)) "
            + "\(padded(hour, 2)):\(padded(minute, 2)):\(padded(second, 2)).\(padded(millisecond, 3))"
    }
}

extension Record {
    /// `2026-05-01 10:00:00.123 notice listener/mqtt: message key=value`, ended by a line break, without any other.
    ///
    /// Fields that the event's sentence already tells are left out, and so are empty ones and the worker that wrote the line.
    func line(worker: String, time: LocalTime) -> String {
        let told = event?.description
        var line = "\(time.text) \(level.rawValue.padding(to: 7)) \(Escape.text(worker)): \(Escape.text(message))"
        for (key, value) in fields
        where !value.isEmpty && told?.tells(key) != true && (key, value) != (Field.worker.rawValue, worker) {
            line += " \(Escape.text(key))=\(Escape.value(value))"
        }
        return line + "\n"
    }

    /// The fields of the entry as `NAME=value`, see systemd.journal-fields(7).
    /// - Parameters:
    ///   - identifier: what programs like journalctl head the entry with.
    ///   - always: fields of every entry, those of its own come before them.
    func journalFields(identifier: String, always: [(key: String, value: String)]) -> [String] {
        var entry = [
            "MESSAGE=\(Escape.text(message))", "PRIORITY=\(level.priority)", "SYSLOG_IDENTIFIER=\(identifier)",
        ]
        if let event { entry.append("MESSAGE_ID=\(event.description.id)") }
        for (key, value) in always where !fields.contains(where: { $0.key == key }) {
            entry.append(Self.journalField(key, value))
        }
        return entry + fields.filter { !$0.value.isEmpty }.map { Self.journalField($0.key, $0.value) }
    }

    /// Journal names are capitals, digits and underscores; of other keys the rest becomes underscores.
    private static func journalField(_ key: String, _ value: String) -> String {
        let name = key.utf8.map { byte -> UInt8 in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - 0x20
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): byte
            default: UInt8(ascii: "_")
            }
        }
        return "APUS_\(String(decoding: name.prefix(59), as: UTF8.self))=\(Escape.cut(value))"
    }
}

extension Logger.Level {
    /// The priority of syslog(3), as sd-daemon(3) names them.
    var priority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}

extension String {
    fileprivate func padding(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
