// The pages in docs/protocol against the catalogue: each frame type has its heading there, with its number, and nothing
// else has one.

import Glibc
import Testing

@testable import Messages

@Suite struct CatalogueDocsTests {
    /// Every frame type, found by its number: the enumeration lists its cases nowhere else.
    private let types = (UInt8.min...UInt8.max).compactMap(FrameType.init(rawValue:))

    @Test func everyFrameTypeHasItsHeading() throws {
        let headings = try headings()
        #expect(types.count > 0)
        for type in types {
            #expect(
                headings.contains(Self.heading(of: type)),
                "docs/protocol has no line “\(Self.heading(of: type))”")
        }
    }

    @Test func nothingElseHasOne() throws {
        let known = Set(types.map(Self.heading))
        for heading in try headings() {
            #expect(known.contains(heading), "docs/protocol describes “\(heading)”, which the catalogue does not have")
        }
    }

    @Test func eachStandsOnThePageOfItsFamily() throws {
        for type in types {
            let page =
                switch type.rawValue {
                case 0x70...: "authentication.md"
                case 0x20..<0x50: "data.md"
                default: "control.md"
                }
            #expect(try Self.lines(of: page).contains(Self.heading(of: type)), "\(type) is not in \(page)")
        }
    }

    /// ``### `publish` 0x22``
    private static func heading(of type: FrameType) -> String {
        let digits = String(type.rawValue, radix: 16, uppercase: true)
        return "### `\(type)` 0x\(digits.count == 1 ? "0" : "")\(digits)"
    }

    private func headings() throws -> [String] {
        try ["control.md", "data.md", "authentication.md"].flatMap { try Self.lines(of: $0) }.filter {
            $0.hasPrefix("### ")
        }
    }

    private static func lines(of page: String) throws -> [String] {
        let path = #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined() + "/docs/protocol/\(page)"
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0, "\(path) can not be read")
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            // The call is told the size of the chunk.
            let count = unsafe read(descriptor, &chunk, chunk.count)
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
