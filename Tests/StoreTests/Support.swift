import Glibc
import Testing

@testable import Store

/// A folder that goes when the test is done.
final class TemporaryFolder {
    let path: String
    var file: String { path + "/apus.db" }

    init() {
        var template = Array("/tmp/apus-store-XXXXXX\0".utf8CString.dropLast())
        path = unsafe String(cString: mkdtemp(&template))
    }

    deinit {
        for name in names() { _ = unsafe unlink("\(path)/\(name)") }
        _ = unsafe rmdir(path)
    }

    func names() -> [String] {
        guard let folder = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    func open(maximumBytes: UInt64 = 0) throws -> Store {
        try Store.open(folder: path, mode: .none, maximumBytes: maximumBytes)
    }
}

/// The bytes of a file, and writing them back.
enum File {
    static func read(_ path: String) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: Int(lseek(descriptor, 0, SEEK_END)))
        let count = unsafe pread(descriptor, &bytes, bytes.count, 0)
        return Array(bytes.prefix(count))
    }

    static func write(_ path: String, _ bytes: [UInt8]) {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        let count = unsafe Glibc.write(descriptor, bytes, bytes.count)
        precondition(count == bytes.count)
        close(descriptor)
    }
}

extension Store {
    /// Events until one of them is what is asked for; `find` sees every one.
    func event<Found>(_ find: (StoreEvent) -> Found?) throws -> Found {
        while true {
            var result: Found?
            for event in receive() { result = find(event) ?? result }
            if let result { return result }
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            try #require(unsafe poll(&waiting, 1, 20_000) == 1, "the store says nothing")
        }
    }

    /// Waits until a transaction is stored.
    @discardableResult
    func commit(_ log: inout ChangeLog, clock: ClockMark? = nil) throws -> [Trimmed] {
        let number = submit(&log, clock: clock)
        var all: [Trimmed] = []
        return try event { event in
            guard case .committed(let through, let trimmed) = event else { return nil }
            all += trimmed
            return through >= number ? all : nil
        }
    }

    /// A log made by `body`, stored.
    @discardableResult
    func apply(_ body: (inout ChangeLog) -> Void) throws -> [Trimmed] {
        var log = ChangeLog()
        body(&log)
        return try commit(&log)
    }

    func page(_ session: UInt32, after: UInt64 = 0, messages: Int = 1000, bytes: Int = .max) throws -> QueuePage {
        requestPage(session, after: after, messages: messages, bytes: bytes)
        return try event { event in
            guard case .page(let page) = event else { return nil }
            return page
        }
    }

    /// A whole queue, read in small pages.
    func queue(_ session: UInt32, pageLength: Int = 7) throws -> [Entry] {
        var entries: [Entry] = []
        while true {
            let page = try page(session, after: entries.last?.sequence ?? 0, messages: pageLength)
            entries += page.entries
            if page.isEnd { return entries }
        }
    }

    /// All retained messages by topic, read in small pages.
    func retained() throws -> [[UInt8]: Retained] {
        var found: [[UInt8]: Retained] = [:]
        var cursor: UInt64 = 0
        while true {
            requestRetained(after: cursor, rows: 5)
            let page: RetainedPage = try event { event in
                guard case .retained(let page) = event else { return nil }
                return page
            }
            for row in page.rows {
                let bytes = page.bytes(of: row).octets
                let message = Message(head: row.message, bytes: bytes)
                let topic = Array(bytes.prefix(Int(row.message.topicLength)))
                #expect(found.updateValue(Retained(qos: row.qos, message: message), forKey: topic) == nil)
            }
            cursor = page.next
            if page.isLast { return found }
        }
    }
}

struct Message: Equatable {
    var head: MessageHead
    var bytes: [UInt8]

    init(head: MessageHead, bytes: [UInt8]) {
        self.head = head
        self.bytes = bytes
    }

    init(_ topic: String, _ payload: [UInt8], properties: [UInt8] = [], expiresAt: UInt64 = 0) {
        head = MessageHead(
            topicLength: UInt16(topic.utf8.count), propertiesLength: UInt32(properties.count), expiresAt: expiresAt)
        bytes = Array(topic.utf8) + payload + properties
    }

    static func random(_ random: inout SplitMix64, payload: Int = 40) -> Message {
        Message(
            "topic/\(random.below(20))", random.octets(upTo: payload), properties: random.octets(upTo: 9),
            expiresAt: UInt64(random.below(3)))
    }
}

struct Retained: Equatable {
    var qos: UInt8
    var message: Message
}

struct Entry: Equatable {
    var sequence: UInt64
    var head: EntryHead
    var identifiers: [UInt8]
    var message: Message
}

extension QueuePage {
    var entries: [Entry] {
        rows.map { row in
            Entry(
                sequence: row.sequence, head: row.head, identifiers: identifiers(of: row).octets,
                message: Message(head: row.message, bytes: bytes(of: row).octets))
        }
    }
}

extension RawSpan {
    var octets: [UInt8] { unsafe withUnsafeBytes { unsafe Array($0) } }
}

extension ChangeLog {
    mutating func put(_ session: UInt32, _ entry: Entry) {
        putEntry(
            session, entry.sequence, entry.head, identifiers: entry.identifiers.span.raw, entry.message.head,
            entry.message.bytes.span.raw)
    }

    mutating func put(_ session: UInt32, _ entry: Entry, shared id: UInt64) {
        putEntry(
            session, entry.sequence, entry.head, identifiers: entry.identifiers.span.raw, message: id,
            size: UInt32(entry.message.bytes.count))
    }

    mutating func putMessage(_ id: UInt64, references: UInt32, _ message: Message) {
        putMessage(id, references: references, message.head, message.bytes.span.raw)
    }

    mutating func putRetained(_ retained: Retained) {
        putRetained(retained.message.head, qos: retained.qos, retained.message.bytes.span.raw)
    }
}

extension Entry {
    /// Short, with a payload of so many bytes.
    static func plain(_ sequence: UInt64, bytes: Int = 4) -> Entry {
        Entry(
            sequence: sequence, head: EntryHead(qos: 1), identifiers: [],
            message: Message("t", [UInt8](repeating: UInt8(truncatingIfNeeded: sequence), count: bytes - 1)))
    }
}

/// A count in a store that is closed, by a connection of the test's own.
func count(_ folder: TemporaryFolder, _ table: String) throws -> Int64 {
    try Connection(folder.file, .read).integer("SELECT count(*) FROM \(table)")
}
