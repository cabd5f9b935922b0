import Glibc
import Logging
import Testing

@testable import Journal

/// The journal's catalog and docs/journal.md say of every kind of event what it is, and of nothing else.
///
/// `APUS_WRITE_REFERENCE=1 swift test --filter CatalogTests` writes the tables of the page anew.
@Suite struct CatalogTests {
    private static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }

    /// Of an entry of the catalog: its head and its text.
    private struct Entry {
        var head: [String: String] = [:]
        var text: [String] = []
    }

    private func catalog() throws -> [String: Entry] {
        var entries: [String: Entry] = [:]
        var id: String?
        var isHead = false
        for line in try read("/units/apus.catalog").split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("-- ") {
                id = String(line.dropFirst(3))
                #expect(entries[id!] == nil, "\(id!) is there twice")
                entries[id!] = Entry()
                isHead = true
            } else if let id {
                if isHead, line.isEmpty {
                    isHead = false
                } else if isHead {
                    let parts = try #require(line.firstIndex(of: ":"), "\(line)")
                    entries[id]!.head[String(line[..<parts])] = String(line[parts...].dropFirst(2))
                } else {
                    entries[id]!.text.append(String(line))
                }
            }
        }
        return entries
    }

    @Test func theCatalogExplainsEveryEvent() throws {
        let catalog = try catalog()
        #expect(Set(catalog.keys) == Set(Event.allCases.map(\.description.id)))
        for (id, entry) in catalog {
            #expect(entry.head["Subject"]?.isEmpty == false && entry.head["Defined-By"] == "Apus", "\(id)")
            #expect(entry.head["Documentation"]?.hasPrefix("man:apus") == true, "\(id)")
            #expect(entry.text.contains { !$0.isEmpty }, "\(id)")
        }
    }

    /// What somebody may have to act on has a paragraph of its own that says how.
    @Test func theCatalogSaysWhatToDo() throws {
        let catalog = try catalog()
        let others: [Event] = [
            .clientRefused, .clientDisconnected, .takeOver, .protocolViolation, .messagesDropped, .sessionExpired,
            .linesHeldBack,
        ]
        for event in Event.allCases where event.description.level >= .warning || others.contains(event) {
            let text = try #require(catalog[event.description.id]).text
            let paragraphs = text.split(separator: "", omittingEmptySubsequences: true)
            #expect(paragraphs.count > 1 && (paragraphs.last?.first?.count ?? 0) > 20, "\(event)")
        }
    }

    /// `@NAME@` is replaced by the entry's field: it must be one that entries of that kind have.
    @Test(arguments: Event.allCases) func theCatalogNamesFieldsThatThereAre(_ event: Event) throws {
        let entry = try #require(try catalog()[event.description.id])
        let text = (entry.text + [entry.head["Subject"] ?? ""]).joined(separator: "\n")
        for (index, piece) in text.split(separator: "@", omittingEmptySubsequences: false).enumerated()
        where index % 2 == 1 {
            let field = Field.allCases.first { $0.journalName == piece }
            // The protocol stands beside the client in all entries that are about one.
            #expect(field != nil && (event.description.tells(field!.rawValue) || field == .protocol), "\(piece)")
        }
    }

    @Test func thePageIsTheTables() throws {
        var fields = "| field | about |\n|---|---|\n"
        for field in Field.allCases { fields += "| `\(field.journalName)` | \(field.about) |\n" }
        var events = "| event | priority | a second | `MESSAGE_ID` | says |\n|---|---|---|---|---|\n"
        for event in Event.allCases {
            let description = event.description
            events +=
                "| `\(event.rawValue)` | \(description.level.priority) | \(description.rate.map { "\($0)" } ?? "all") "
                + "| `\(description.id)` | \(description.template) |\n"
        }
        let page = try read("/docs/journal.md")
        let expected = try put(events, "events", put(fields, "fields", page))
        if unsafe getenv("APUS_WRITE_REFERENCE") != nil {
            let file = unsafe try #require(fopen(Self.root + "/docs/journal.md", "w"))
            unsafe fputs(expected, file)
            unsafe fclose(file)
        } else {
            #expect(page == expected, "write it anew with APUS_WRITE_REFERENCE=1 swift test --filter CatalogTests")
        }
    }

    /// Replaces what stands between the marks of one table.
    private func put(_ table: String, _ name: String, _ page: String) throws -> String {
        let open = try #require(page.firstRange(of: "<!-- \(name) -->\n"), "docs/journal.md has no table \(name)")
        let close = try #require(page[open.upperBound...].firstRange(of: "<!-- end -->"))
        return page[..<open.upperBound] + table + page[close.lowerBound...]
    }

    private func read(_ path: String) throws -> String {
        let file = unsafe try #require(fopen(Self.root + path, "r"), "\(path) is missing")
        defer { unsafe fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 18)
        let count = unsafe fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
