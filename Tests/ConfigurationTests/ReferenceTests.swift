import Glibc
import Testing

@testable import Configuration

/// docs/configuration.md and the table of keys say the same, and the file that is installed says what applies anyway.
///
/// `APUS_WRITE_REFERENCE=1 swift test --filter ReferenceTests` writes the tables of the page anew.
@Suite struct ReferenceTests {
    private static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }

    @Test func theReferenceIsTheTableOfKeys() throws {
        let path = Self.root + "/docs/configuration.md"
        let page = try read(path)
        var expected = page
        for section in Configuration.sections {
            expected = try put(table(section.keys, base), section.name.isEmpty ? "top" : section.name, expected)
        }
        var listener = Configuration.Listener(name: "", transport: .mqtt, bind: .systemd(name: ""))
        listener.name = "needed"
        expected = try put(table(Configuration.listenerKeys, listener), "listener", expected)
        expected = try put(table(Configuration.bridgeKeys, .init()), "bridge.rabbitmq", expected)
        if unsafe getenv("APUS_WRITE_REFERENCE") != nil {
            let file = unsafe try #require(fopen(path, "w"))
            unsafe fputs(expected, file)
            unsafe fclose(file)
        } else {
            #expect(page == expected, "write it anew with APUS_WRITE_REFERENCE=1 swift test --filter ReferenceTests")
        }
    }

    @Test func theInstalledFileChangesNothing() throws {
        let text = try read(Self.root + "/units/apus.toml")
        #expect(try parse(text) == base)
        // Nor do the lines that it shows as comments, once they are taken in.
        let shown = text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.hasPrefix("#") && !$0.hasPrefix("# ") ? $0.dropFirst() : $0 }.joined(separator: "\n")
        #expect(shown != text)
        #expect(try parse(shown) == base)
    }

    /// A row for each key: name, what it may be, default, whether a reload applies it, what it is for.
    private func table<Root>(_ keys: [Key<Root>], _ defaults: Root) -> String {
        var rows = "| key | default | allowed | a change applies | about |\n|---|---|---|---|---|\n"
        for key in keys {
            let given = key.name.hasSuffix("_dir") || key.name == "node"
            let needed = (Configuration.requiredListenerKeys + Configuration.requiredBridgeKeys).contains(key.name)
            let standard = given ? "see about" : needed ? "must be given" : "`\(key.get(defaults).literal)`"
            let applies = key.reload ? "at a reload" : "at a restart"
            rows += "| `\(key.name)` | \(standard) | \(key.allowed) | \(applies) | \(key.about) |\n"
        }
        return rows
    }

    /// Replaces what stands between the marks of one table.
    private func put(_ table: String, _ name: String, _ page: String) throws -> String {
        let open = try #require(page.firstRange(of: "<!-- \(name) -->\n"), "docs/configuration.md has no table \(name)")
        let close = try #require(page[open.upperBound...].firstRange(of: "<!-- end -->"))
        return page[..<open.upperBound] + table + page[close.lowerBound...]
    }

    private func read(_ path: String) throws -> String {
        let file = unsafe try #require(fopen(path, "r"), "\(path) is missing")
        defer { unsafe fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 18)
        let count = unsafe fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
